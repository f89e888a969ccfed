//! Who `USER` is: names and numbers, looked up in the image's own `/etc/passwd` and `/etc/group`.

use std::io::Read;
use std::path::Path;

use crate::runtime::spec::Identity;
use crate::workload::rooted;

/// A larger file of users is not read.
const LONGEST: u64 = 4 << 20;

/// The user that `USER[:GROUP]` names in the image of this root; without one, only numbers name anybody.
///
/// Without a group, it is the user's own of `/etc/passwd`, with the groups that `/etc/group` lists; for a
/// number that is in neither, 0, as Docker has it.
///
/// # Errors
/// For a name that the image does not know.
pub fn identity(root: Option<&Path>, user: &str) -> Result<Identity, String> {
    let (name, group) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    let passwd = lines(root, "/etc/passwd");
    let groups = lines(root, "/etc/group");
    let entry = passwd.iter().find(|fields| field(fields, 0) == name || field(fields, 2) == name);
    let uid = match (name.parse::<u32>(), entry) {
        (Ok(uid), _) => uid,
        (Err(_), Some(fields)) => {
            number(fields, 2).ok_or_else(|| format!("user {name}: /etc/passwd of the image is broken"))?
        }
        (Err(_), None) => return Err(format!("no user {name:.80} in /etc/passwd of the image")),
    };
    let of_user = entry.and_then(|fields| number(fields, 3)).unwrap_or(0);
    let (gid, others) = match group.filter(|group| !group.is_empty()) {
        Some(group) => {
            let listed =
                groups.iter().find(|fields| field(fields, 0) == group).and_then(|fields| number(fields, 2));
            let gid = group.parse().ok().or(listed);
            (gid.ok_or_else(|| format!("no group {group:.80} in /etc/group of the image"))?, Vec::new())
        }
        None => {
            let login = entry.map_or(name, |fields| field(fields, 0));
            let member = |fields: &&Vec<String>| field(fields, 3).split(',').any(|member| member == login);
            let listed = groups.iter().filter(member).filter_map(|fields| number(fields, 2));
            (of_user, listed.filter(|gid| *gid != of_user).collect())
        }
    };
    let home = entry.map(|fields| field(fields, 5)).filter(|home| home.starts_with('/')).map(str::to_owned);
    Ok(Identity { uid, gid, groups: others, home })
}

/// The fields of every line; nothing where there is no such file.
fn lines(root: Option<&Path>, file: &str) -> Vec<Vec<String>> {
    let Some(root) = root else { return Vec::new() };
    let mut bytes = Vec::new();
    let read =
        rooted::open(root, Path::new(file)).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

fn field(fields: &[String], index: usize) -> &str {
    fields.get(index).map_or("", String::as_str)
}

fn number(fields: &[String], index: usize) -> Option<u32> {
    field(fields, index).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("etc")).expect("made");
        let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\nbroken\nodd:x:many:1::/:\n";
        fs::write(root.path().join("etc/passwd"), passwd).expect("written");
        fs::write(root.path().join("etc/group"), "web:x:102:\nlog:x:7:web,root\nssl:x:8:web\n")
            .expect("written");
        let found = |user: &str| identity(Some(root.path()), user).map(|who| (who.uid, who.gid, who.groups));
        assert_eq!(found("web"), Ok((101, 102, vec![7, 8])));
        assert_eq!(found("101"), Ok((101, 102, vec![7, 8])));
        assert_eq!(found("web:log"), Ok((101, 7, vec![])));
        assert_eq!(found("5:6"), Ok((5, 6, vec![])));
        assert_eq!(found("5"), Ok((5, 0, vec![])));
        assert_eq!(found("root"), Ok((0, 0, vec![7])));
        assert_eq!(identity(Some(root.path()), "web").ok().and_then(|who| who.home).as_deref(), Some("/srv"));
        for bad in ["nobody", "odd", "web:none", "", "-1", "99999999999"] {
            assert!(found(bad).is_err(), "{bad}");
        }
        let empty = tempfile::tempdir().expect("a folder");
        assert!(identity(Some(empty.path()), "web").is_err());
        assert!(identity(None, "web").is_err());
        assert_eq!(identity(None, "1000").map(|who| who.uid), Ok(1000));
    }
}
