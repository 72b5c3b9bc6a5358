//! The numbers by which Linux tells file systems.

/// And ext2, ext3.
pub(super) const EXT4: u32 = 0xef53;
pub(super) const XFS: u32 = 0x5846_5342;
pub(super) const BTRFS: u32 = 0x9123_683e;
pub(super) const F2FS: u32 = 0xf2f5_2010;
pub(super) const ZFS: u32 = 0x2fc1_2fc1;
pub(super) const TMPFS: u32 = 0x0102_1994;
pub(super) const RAMFS: u32 = 0x8584_58f6;
pub(super) const OVERLAY: u32 = 0x794c_7630;
