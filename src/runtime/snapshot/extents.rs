//! Which parts of guest memory a snapshot keeps.

use super::format::{Extent, PAGE};

/// Parts that are nearer to each other than this become one: mapping another part costs every clone more than
/// the zeros between them.
const NEAR: u64 = 16 * PAGE;

/// More parts than this are joined over wider gaps.
const MOST: usize = 24;

/// The extents of the pages at these offsets, which are in ascending order.
pub fn of_pages(pages: impl IntoIterator<Item = u64>) -> Vec<Extent> {
    let mut extents = Vec::new();
    for offset in pages {
        add(&mut extents, Extent { offset, bytes: PAGE }, NEAR);
    }
    let mut near = NEAR;
    while extents.len() > MOST {
        near *= 2;
        for extent in std::mem::take(&mut extents) {
            add(&mut extents, extent, near);
        }
    }
    extents
}

/// Adds an extent behind all others, joined to the last one where they are near.
fn add(extents: &mut Vec<Extent>, next: Extent, near: u64) {
    match extents.last_mut() {
        Some(last) if next.offset - (last.offset + last.bytes) < near => {
            last.bytes = next.offset + next.bytes - last.offset;
        }
        _ => extents.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_page_is_in_one_extent_and_there_are_few(
            pages in proptest::collection::btree_set(0u64..1 << 30, 0..200)
        ) {
            let extents = of_pages(pages.iter().map(|page| page * PAGE));
            prop_assert!(extents.len() <= MOST.max(1));
            for page in &pages {
                let holds = |e: &&Extent| e.offset <= page * PAGE && page * PAGE < e.offset + e.bytes;
                prop_assert_eq!(extents.iter().filter(holds).count(), 1);
            }
            for pair in extents.windows(2) {
                prop_assert!(pair[0].offset + pair[0].bytes + NEAR <= pair[1].offset);
            }
        }
    }

    #[test]
    fn near_pages_share_an_extent() {
        assert_eq!(of_pages([PAGE, 3 * PAGE]), [Extent { offset: PAGE, bytes: 3 * PAGE }]);
        assert_eq!(of_pages([]), []);
    }
}
