//! The statements of a search, one for each order and way.

use crate::catalog::CatalogOrder;
use crate::repos::repo_columns;
use crate::sql::statements;

/// A page of repositories, largest `$column` first, or smallest: those that someone may see, and that fit.
macro_rules! search_by {
    ($column:expr) => {
        search_by!($column, " < ", " DESC")
    };
    ($column:expr, ascending) => {
        search_by!($column, " > ", " ASC")
    };
    ($column:expr, $past:literal, $way:literal) => {
        concat!(
            "SELECT ",
            repo_columns!(),
            ", c.commit_oid, c.changed_at, c.likes, c.facts, ",
            $column,
            " FROM catalog c JOIN repo r ON r.id = c.repo JOIN account a ON a.id = r.ns ",
            "WHERE r.state = 'live' AND r.kind = $1 AND (r.withheld IS NULL OR ($2 AND r.withheld NOT IN ('takedown', 'blocked'))) ",
            "AND (r.visibility = 'public' OR r.shown OR $2 OR r.ns = $3 ",
            "OR EXISTS (SELECT 1 FROM member m WHERE m.org = r.ns AND m.user_id = $3)) ",
            "AND ($4 = '' OR a.fold = $4) AND ($5 = '' OR LOWER(a.name || '/' || r.name) LIKE $5 ESCAPE '!') ",
            "AND ($20 = '' OR LOWER(a.name || '/' || r.name) LIKE $20 ESCAPE '!') ",
            "AND (NOT $21 OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.type IN ('model', 'dataset'))) ",
            "AND ($6 < 0 OR c.parameters >= $6) AND ($7 < 0 OR c.parameters <= $7) ",
            "AND ($8 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $8)) ",
            "AND ($9 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $9)) ",
            "AND ($10 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $10)) ",
            "AND ($11 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $11)) ",
            "AND ($12 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $12)) ",
            "AND ($13 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $13)) ",
            "AND ($14 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $14)) ",
            "AND ($15 = '' OR EXISTS (SELECT 1 FROM catalog_tag t WHERE t.repo = r.id AND t.tag = $15)) ",
            "AND (",
            $column,
            $past,
            "$16 OR (",
            $column,
            " = $16 AND r.id",
            $past,
            "$17)) AND ($19 < 0 OR (CASE WHEN r.gate IS NULL THEN 0 ELSE 1 END) = $19) ORDER BY ",
            $column,
            $way,
            ", r.id",
            $way,
            " LIMIT $18"
        )
    };
}

/// What was counted of a repository since a day.
macro_rules! downloads {
    () => {
        "(SELECT COALESCE(CAST(SUM(d.times) AS BIGINT), 0) FROM download d WHERE d.repo = c.repo AND d.day >= $22)"
    };
}

/// The same, and the likes since then.
macro_rules! trend {
    () => {
        concat!(
            "(",
            downloads!(),
            " + (SELECT COUNT(*) FROM repo_like l WHERE l.repo = c.repo AND l.liked_at >= $23))"
        )
    };
}

statements! {
    SEARCH_BY_CHANGE = search_by!("c.changed_at");
    SEARCH_BY_CREATION = search_by!("r.created_at");
    SEARCH_BY_LIKES = search_by!("c.likes");
    SEARCH_BY_DOWNLOADS = search_by!(downloads!());
    SEARCH_BY_TREND = search_by!(trend!());
    SEARCH_UP_BY_CHANGE = search_by!("c.changed_at", ascending);
    SEARCH_UP_BY_CREATION = search_by!("r.created_at", ascending);
    SEARCH_UP_BY_LIKES = search_by!("c.likes", ascending);
    SEARCH_UP_BY_DOWNLOADS = search_by!(downloads!(), ascending);
    SEARCH_UP_BY_TREND = search_by!(trend!(), ascending);
}

/// The statement of a search: its arguments are those of [`crate::Db::search_catalog`].
pub(crate) fn statement(order: CatalogOrder, ascending: bool) -> &'static str {
    let (down, up) = match order {
        CatalogOrder::Changed => (SEARCH_BY_CHANGE, SEARCH_UP_BY_CHANGE),
        CatalogOrder::Created => (SEARCH_BY_CREATION, SEARCH_UP_BY_CREATION),
        CatalogOrder::Likes => (SEARCH_BY_LIKES, SEARCH_UP_BY_LIKES),
        CatalogOrder::Downloads => (SEARCH_BY_DOWNLOADS, SEARCH_UP_BY_DOWNLOADS),
        CatalogOrder::Trend => (SEARCH_BY_TREND, SEARCH_UP_BY_TREND),
    };
    if ascending { up } else { down }
}
