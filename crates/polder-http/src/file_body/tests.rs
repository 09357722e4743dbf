//! Bodies of real files, with and without the page cache.

use std::os::unix::fs::FileExt;

use http_body_util::BodyExt;

use super::buffer::{BUFFER_BYTES, POOL, POOLED_BUFFERS_MAX};
use super::*;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

fn file_of(content: &[u8]) -> Arc<File> {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(content, 0).unwrap();
    Arc::new(file)
}

async fn collect(file: &Arc<File>, range: Range<u64>) -> io::Result<Vec<u8>> {
    Ok(FileBody::new(Arc::clone(file), range).collect().await?.to_bytes().to_vec())
}

#[tokio::test]
async fn a_range_is_exactly_its_bytes() {
    let content = pattern(3 * BUFFER_BYTES + 17);
    let file = file_of(&content);
    let end = content.len();
    let edge = BUFFER_BYTES;
    for range in
        [0..end, 0..0, end..end, 0..1, end - 1..end, edge - 1..edge + 1, 1..edge + 1, 5..2 * edge + 5]
    {
        let bytes = u64::try_from(range.start).unwrap()..u64::try_from(range.end).unwrap();
        let body = FileBody::new(Arc::clone(&file), bytes.clone());
        assert_eq!(body.size_hint().exact(), Some(bytes.end - bytes.start));
        assert_eq!(collect(&file, bytes).await.unwrap(), content[range.clone()], "{range:?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_without_waiting_is_read_all_the_same() {
    let content = pattern(2 * BUFFER_BYTES + 3);
    let len = u64::try_from(content.len()).unwrap();
    let mut body = FileBody::new(file_of(&content), 0..len);
    body.can_try = false;
    assert_eq!(body.collect().await.unwrap().to_bytes(), content);
}

#[tokio::test]
async fn a_file_that_ends_early_is_an_error_and_never_a_short_body() {
    for can_try in [true, false] {
        let file = file_of(&pattern(BUFFER_BYTES + 5));
        let mut body = FileBody::new(file, 0..u64::try_from(2 * BUFFER_BYTES).unwrap());
        body.can_try = can_try;
        let error = body.collect().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn buffers_come_back_and_are_not_mixed_up() {
    let contents: Vec<Vec<u8>> = (0..4_u8).map(|n| vec![n; BUFFER_BYTES * 2]).collect();
    let mut held = Vec::new();
    for content in &contents {
        let len = u64::try_from(content.len()).unwrap();
        let mut body = FileBody::new(file_of(content), 0..len);
        held.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    for (content, kept) in contents.iter().zip(&held) {
        assert_eq!(kept[..], content[..kept.len()]);
    }
    drop(held);
    let pooled = POOL.lock().unwrap().len();
    assert!((1..=POOLED_BUFFERS_MAX).contains(&pooled), "{pooled}");
}
