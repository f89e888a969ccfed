//! Names that remove: the image specification's whiteouts (layer.md, "Whiteouts").

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What every whiteout's name begins with.
pub const PREFIX: &[u8] = b".wh.";

/// What a name in a layer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// Itself.
    Ordinary,
    /// The lower layers' entry of this name is gone.
    Whiteout(&'a OsStr),
    /// Everything that the lower layers have in this folder is gone.
    Opaque,
    /// Bookkeeping of AUFS (`.wh..wh.plnk` and its kin), which means nothing to others.
    Ignored,
}

/// What `name` means.
///
/// # Errors
/// A whiteout of nothing (`.wh.`), of `.` or of `..`.
pub fn name(name: &OsStr) -> Result<Name<'_>, &'static str> {
    let Some(removed) = name.as_bytes().strip_prefix(PREFIX) else { return Ok(Name::Ordinary) };
    match removed {
        b"" => Err("a whiteout of nothing"),
        b"." | b".." => Err("a whiteout of a folder itself"),
        b".wh..opq" => Ok(Name::Opaque),
        _ if removed.starts_with(PREFIX) => Ok(Name::Ignored),
        _ => Ok(Name::Whiteout(OsStr::from_bytes(removed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_the_specification_says() {
        let meaning = |text| name(OsStr::new(text));
        assert_eq!(meaning("file"), Ok(Name::Ordinary));
        assert_eq!(meaning(".who"), Ok(Name::Ordinary));
        assert_eq!(meaning(".wh.file"), Ok(Name::Whiteout(OsStr::new("file"))));
        assert_eq!(meaning(".wh..hidden"), Ok(Name::Whiteout(OsStr::new(".hidden"))));
        assert_eq!(meaning(".wh..wh..opq"), Ok(Name::Opaque));
        assert_eq!(meaning(".wh..wh.plnk"), Ok(Name::Ignored));
        for bad in [".wh.", ".wh..", ".wh..."] {
            assert!(meaning(bad).is_err(), "{bad}");
        }
    }
}
