//! Whether a generic reader or writer is a file of the standard library.

/// Whether `T` is a file or standard output, to which the kernel can copy from a file by itself.
///
/// `std::io::copy` specialises on its own types, which generic code cannot ask about: so this looks at the type's name.
/// A wrong answer costs speed and never a byte, since either path copies the same content. (Tried and dropped: always
/// calling `std::io::copy`. To any other type it copies through a buffer of its own, and when the other side fails nobody
/// knows how much of that was taken. Pipes and sockets are among those: the pages of a file that is still written to
/// must not lie in a pipe.)
pub(crate) fn is_std_file_or_stdout<T: ?Sized>() -> bool {
    is_std_file::<T>() || ["std::io::stdio::Stdout", "std::io::stdio::StdoutLock"].contains(&name_of::<T>())
}

/// Whether `T` is a [`std::fs::File`] or a reference to one.
pub(crate) fn is_std_file<T: ?Sized>() -> bool {
    name_of::<T>() == "std::fs::File"
}

/// Whether `T` is the end of a pipe to write to: by the same means, and with as little harm.
pub(crate) fn is_std_pipe<T: ?Sized>() -> bool {
    ["std::process::ChildStdin", "std::io::pipe::PipeWriter"].contains(&name_of::<T>())
}

fn name_of<T: ?Sized>() -> &'static str {
    let mut name = std::any::type_name::<T>();
    while let Some(inner) = name.strip_prefix("&mut ").or_else(|| name.strip_prefix('&')) {
        name = inner;
    }
    name.split('<').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufWriter, Stdout, StdoutLock, Write};
    use std::process::ChildStdin;

    use super::{is_std_file, is_std_file_or_stdout, is_std_pipe};

    #[test]
    fn the_names_of_std_are_as_we_know_them() {
        assert!(is_std_file::<File>());
        assert!(is_std_file::<&File>());
        assert!(is_std_file::<&mut &File>());
        assert!(is_std_file_or_stdout::<File>());
        assert!(is_std_file_or_stdout::<Stdout>());
        assert!(is_std_file_or_stdout::<StdoutLock<'static>>());
        assert!(!is_std_file::<Stdout>());
        assert!(!is_std_file_or_stdout::<Vec<u8>>());
        assert!(!is_std_file_or_stdout::<BufWriter<File>>());
        assert!(!is_std_file_or_stdout::<dyn Write>());
        assert!(is_std_pipe::<ChildStdin>());
        assert!(!is_std_pipe::<File>());
    }
}
