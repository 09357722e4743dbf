//! Reading client JSON that may be anything without keeping more of it than is needed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON value where a text or a number belongs. Whatever else stands there is read and dropped, so
/// that a body costs no more memory than its length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Scalar {
    /// A string.
    Text(String),
    /// A whole number that is not negative.
    Number(u64),
    /// Anything else, or nothing.
    #[default]
    Other,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// Reads a list and keeps its first `MAX + 1` entries: enough to see that there are too many.
pub(crate) fn list_up_to<'de, const MAX: usize, T, D>(input: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct ListVisitor<const MAX: usize, T>(std::marker::PhantomData<T>);

    impl<'de, const MAX: usize, T: Deserialize<'de>> Visitor<'de> for ListVisitor<MAX, T> {
        type Value = Vec<T>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while list.len() <= MAX {
                let Some(entry) = seq.next_element()? else { return Ok(list) };
                list.push(entry);
            }
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(list)
        }
    }

    input.deserialize_seq(ListVisitor::<MAX, T>(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_and_whole_numbers_are_kept() {
        let text = r#"["a", 7, -7, 1.5, true, null, [1, [2]], {"a": {"b": 1}}, 18446744073709551616]"#;
        let read: Vec<Scalar> = serde_json::from_str(text).expect("JSON");
        let mut expected = vec![Scalar::Other; 9];
        (expected[0], expected[1]) = (Scalar::Text("a".to_owned()), Scalar::Number(7));
        assert_eq!(read, expected);
    }

    #[test]
    fn a_list_that_is_too_long_shows_it_and_no_more() {
        let read = |text: &str| list_up_to::<2, u8, _>(&mut serde_json::Deserializer::from_str(text));
        assert!(read("[]").expect("JSON").is_empty());
        assert_eq!(read("[1, 2]").expect("JSON"), [1, 2]);
        assert_eq!(read("[1, 2, 3, \"x\", {}]").expect("JSON"), [1, 2, 3]);
        assert!(read("{}").is_err());
        assert!(read("[1, 2, 3, ").is_err());
    }
}
