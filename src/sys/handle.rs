//! Whether a generic reader or writer is one of the standard library's own handles.

/// Whether `T` is a file, pipe, socket or stream of the standard library, whose content the kernel can move itself.
///
/// `std::io::copy` specialises on these types, which generic code cannot ask about: so this looks at the type's name.
/// A wrong answer costs speed and never a byte, since either path copies the same content. (Tried and dropped: always
/// calling `std::io::copy`. For any other type it reads ahead into a buffer of its own, and when the other side fails
/// nobody knows how much of that was taken.)
pub(crate) fn is_std_handle<T: ?Sized>() -> bool {
    const HANDLES: [&str; 8] = [
        "std::net::tcp::TcpStream",
        "std::os::unix::net::stream::UnixStream",
        "std::io::pipe::PipeReader",
        "std::io::pipe::PipeWriter",
        "std::process::ChildStdin",
        "std::process::ChildStdout",
        "std::io::stdio::Stdout",
        "std::io::stdio::StdoutLock",
    ];
    is_std_file::<T>() || HANDLES.contains(&name_of::<T>())
}

/// Whether `T` is a [`std::fs::File`] or a reference to one.
pub(crate) fn is_std_file<T: ?Sized>() -> bool {
    name_of::<T>() == "std::fs::File"
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
    use super::{is_std_file, is_std_handle};

    #[test]
    fn the_names_of_std_are_as_we_know_them() {
        assert!(is_std_file::<std::fs::File>());
        assert!(!is_std_file::<std::net::TcpStream>());
        assert!(is_std_handle::<&std::fs::File>());
        assert!(is_std_handle::<&mut &std::fs::File>());
        assert!(is_std_handle::<std::net::TcpStream>());
        assert!(is_std_handle::<std::process::ChildStdin>());
        assert!(is_std_handle::<std::io::StdoutLock<'static>>());
        #[cfg(unix)]
        assert!(is_std_handle::<std::os::unix::net::UnixStream>());
        assert!(!is_std_handle::<Vec<u8>>());
        assert!(!is_std_handle::<std::io::BufWriter<std::fs::File>>());
        assert!(!is_std_handle::<dyn std::io::Write>());
    }
}
