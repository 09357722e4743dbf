//! Stock git, both versions on the machine, protocols 0 and 2: everything a clone, fetch or push
//! can ask for, with `git fsck --strict` as the judge of every clone.
#![cfg(test)]

mod clone;
mod fetch;
mod partial;
mod place;
mod push;
mod races;

#[test]
fn all_of_it_holds_on_postgres() {
    polder_tests::once_more_on_postgres(20);
}
