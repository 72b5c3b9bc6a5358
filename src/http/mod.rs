//! Bodies of HTTP messages: into a spool, out of one, any number of times (feature `http`).
