//! What a route needs before it does anything: a closed list that every edge maps its routes onto.

/// What the caller of a route must show.
///
/// Each edge names one of these beside each of its routes, in [`route_kinds!`](crate::route_kinds), and the
/// matrix test (route × credential × visibility) reads the same list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing: the answer is the same for everyone and looks at no repository.
    Open,
    /// Nothing: what is given is what anyone may read, to everyone alike.
    Public,
    /// A client on this machine, not behind a proxy, or an administrator's token.
    LoopbackOrAdmin,
    /// Permission to know of the repository in the path and what it is, without reading what is in it.
    See,
    /// Permission to read the repository in the path.
    Read,
    /// Permission to write to the repository in the path.
    Write,
    /// Nothing, or valid credentials: the answer has what the caller may read and nothing else.
    Anyone,
    /// Permission to know of the repository in the path, and credentials of an account.
    SeeAsAccount,
    /// Permission to read the repository in the path, and credentials of an account.
    ReadAsAccount,
    /// Permission to rename, hide or delete the repository in the path.
    Manage,
    /// Credentials of an account. What it may do with what the body names is decided by the use case.
    Account,
    /// To read, for the operation `download`; to write, for `upload`. The body names the operation.
    Batch,
    /// A signed URL of this hub; credentials are not looked at.
    Signed,
    /// A token that this hub signed for the chunks of one repository; other credentials count for nothing.
    XetRead,
    /// Such a token for writing.
    XetWrite,
}

/// Declares the kinds of an edge's routes with `ALL`, `as_str` and `access`, so that no list of them is kept
/// by hand and no route is without an [`Access`].
///
/// ```
/// use polder_http::Access;
///
/// polder_http::route_kinds! {
///     /// Kinds of this example.
///     pub enum RouteKind {
///         /// The first.
///         First => "first", Access::Open,
///         /// The second.
///         Second => "second", Access::Read,
///     }
/// }
/// assert_eq!(RouteKind::ALL, [RouteKind::First, RouteKind::Second]);
/// assert_eq!(RouteKind::Second.as_str(), "second");
/// assert_eq!(RouteKind::Second.access(), Access::Read);
/// ```
#[macro_export]
macro_rules! route_kinds {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident => $text:literal, $access:expr),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it in the request log and the metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What the caller must show.
            pub const fn access(self) -> $crate::Access {
                match self {
                    $(Self::$variant => $access,)*
                }
            }
        }
    };
}
