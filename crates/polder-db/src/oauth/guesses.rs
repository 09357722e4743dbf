//! Counting the wrong codes that an account tries, on whichever node.

use polder_types::AccountId;

use crate::Result;
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;

/// Most wrong codes of one account in [`GUESS_WINDOW_SECONDS`].
pub const GUESSES_MAX: i64 = 10;
/// Length of the time in which wrong codes are counted, in seconds.
pub const GUESS_WINDOW_SECONDS: i64 = 900;

statements! {
    GUESSED = "SELECT times FROM device_guess WHERE account = $1 AND until > $2";
    BEGIN_GUESSES = "INSERT INTO device_guess (account, until, times) VALUES ($1, $2, 1) \
        ON CONFLICT (account) DO UPDATE SET until = excluded.until, times = 1";
    COUNT_GUESS = "UPDATE device_guess SET times = times + 1 WHERE account = $1";
    FORGET = "DELETE FROM device_guess WHERE until <= $1";
}

/// Whether the account may try another code.
pub(super) async fn may_guess(tx: &mut Tx, account: AccountId) -> Result<bool> {
    Ok(times(tx, account).await?.is_none_or(|times| times < GUESSES_MAX))
}

/// Counts a wrong code.
pub(super) async fn count(tx: &mut Tx, account: AccountId) -> Result<()> {
    if times(tx, account).await?.is_some() {
        tx.execute(COUNT_GUESS, args![account]).await?;
    } else {
        let until = tx.now().plus_seconds(GUESS_WINDOW_SECONDS);
        tx.execute(BEGIN_GUESSES, args![account, until]).await?;
    }
    Ok(())
}

async fn times(tx: &mut Tx, account: AccountId) -> Result<Option<i64>> {
    let now = tx.now();
    tx.row(GUESSED, args![account, now]).await?.map(|row| row.read(0)).transpose()
}
