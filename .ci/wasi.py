"""A host for one WASI program: .ci/wasi.py PROGRAM ARGUMENT...

The program has one directory to write in, which it sees under the name in WASI_DIRECTORY, and which is new and empty each time;
to leave something there is a failure. (Tried and dropped: Node's host, which now and then ends by a fault of its own, when all
tests have passed.)
"""

import os
import sys
import tempfile

from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, WasiConfig

program, *arguments = sys.argv[1:]
name = os.environ["WASI_DIRECTORY"]
config = Config()
# Most of each program never runs.
config.cranelift_opt_level = "none"
engine = Engine(config)
linker = Linker(engine)
linker.define_wasi()
with tempfile.TemporaryDirectory() as directory:
    wasi = WasiConfig()
    wasi.argv = [program, *arguments]
    wasi.env = [("TMPDIR", name)]
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.preopen_dir(directory, name)
    store = Store(engine)
    store.set_wasi(wasi)
    try:
        linker.instantiate(store, Module.from_file(engine, program)).exports(store)["_start"](store)
    except ExitTrap as end:
        if end.code:
            sys.exit(end.code)
    if left := os.listdir(directory):
        sys.exit(f"left behind by {program}: {left}")
