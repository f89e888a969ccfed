//! Names of images: `NAME:TAG`, as Docker writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ImageError;

/// A name with its tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageName {
    repository: String,
    tag: String,
}

impl ImageName {
    /// The part before the tag.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, `latest` where none was given.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl ImageName {
    /// With the registry and the folder that Docker leaves out when it shows a name.
    pub fn qualified(&self) -> String {
        match self.repository.split_once('/') {
            Some((host, _)) if host.contains([':', '.']) || host == "localhost" => self.to_string(),
            Some(_) => format!("docker.io/{self}"),
            None => format!("docker.io/library/{self}"),
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}:{}", self.repository, self.tag)
    }
}

impl FromStr for ImageName {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<ImageName, ImageError> {
        let bad = || ImageError::BadName(text.chars().take(200).flat_map(char::escape_debug).collect());
        // What Docker leaves out when it shows a name.
        let short = text.strip_prefix("docker.io/").unwrap_or(text);
        let short = short.strip_prefix("library/").unwrap_or(short);
        // A colon before a slash belongs to a host's port.
        let (repository, tag) = match short.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (short, "latest"),
        };
        let (host, path) = match repository.split_once('/') {
            Some((host, path)) if host.contains([':', '.']) => (Some(host), path),
            _ => (None, repository),
        };
        let part = |part: &str| {
            let ends =
                |byte: Option<char>| byte.is_some_and(|end| end.is_ascii_lowercase() || end.is_ascii_digit());
            part.chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
                && ends(part.chars().next())
                && ends(part.chars().last())
        };
        let host_is_good = host.is_none_or(|host| {
            host.starts_with(|first: char| first.is_ascii_alphanumeric())
                && host.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-:".contains(letter))
        });
        let tag_is_good = (1..=128).contains(&tag.len())
            && !tag.starts_with(['.', '-'])
            && tag.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        if repository.len() > 255 || !host_is_good || !tag_is_good || !path.split('/').all(part) {
            return Err(bad());
        }
        Ok(ImageName { repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

impl TryFrom<String> for ImageName {
    type Error = ImageError;

    fn try_from(text: String) -> Result<ImageName, ImageError> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> String {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_docker_shows_them() {
        let shown = |text: &str| text.parse::<ImageName>().map(|name| name.to_string()).ok();
        assert_eq!(shown("busybox").as_deref(), Some("busybox:latest"));
        assert_eq!(shown("docker.io/library/busybox:1.36").as_deref(), Some("busybox:1.36"));
        assert_eq!(shown("localhost:5000/a/b").as_deref(), Some("localhost:5000/a/b:latest"));
        let qualified = |text: &str| text.parse::<ImageName>().map(|name| name.qualified()).ok();
        assert_eq!(qualified("busybox:1").as_deref(), Some("docker.io/library/busybox:1"));
        assert_eq!(qualified("a/b").as_deref(), Some("docker.io/a/b:latest"));
        assert_eq!(qualified("localhost/b").as_deref(), Some("localhost/b:latest"));
        for bad in ["", ":", "A", "a:", "a:b c", "a//b", "../a", "a\n", "-a", "a:.b"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
