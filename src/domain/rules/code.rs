//! The permanent rule codes (`domain.md` 6.2): 141 of them. A code never changes meaning and is never reused.

use crate::domain::finding::Severity;

/// What a rule has to look at before it can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    File,
    Field,
    Row,
    RowSet,
    AccountHistory,
    Process,
}

/// Declares the codes once: variant, severity, level.
macro_rules! codes {
    ($($code:ident $severity:ident $level:ident),+ $(,)?) => {
        /// A rule's permanent code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[repr(u8)]
        pub enum Code { $($code),+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$code),+];
            pub const COUNT: usize = Self::ALL.len();

            pub fn as_str(self) -> &'static str {
                match self { $(Code::$code => stringify!($code)),+ }
            }

            pub fn parse(text: &str) -> Option<Code> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }

            /// The rule's own severity; a named case may be milder.
            pub fn severity(self) -> Severity {
                match self { $(Code::$code => Severity::$severity),+ }
            }

            pub fn level(self) -> Level {
                match self { $(Code::$code => Level::$level),+ }
            }
        }
    };
}

codes! {
    F001 Reject File,
    F002 Reject File,
    F003 Reject File,
    F004 Reject File,
    F005 Reject File,
    F006 Reject File,
    F007 Reject File,
    F008 Reject File,
    F009 Reject File,
    F010 Reject File,
    F011 Reject File,
    F012 Reject File,
    F013 Reject File,
    F014 Reject File,
    F015 Reject File,
    F016 Reject File,
    F017 Reject File,
    F018 Reject File,
    F019 Reject File,
    F020 Hold File,
    F021 Hold File,
    F022 Hold File,
    F023 Hold File,
    F024 Warning File,
    F025 Warning File,
    F026 Hold File,
    F027 Reject File,
    V001 Reject Field,
    V002 Reject Field,
    V003 Reject Field,
    V004 Reject Field,
    V005 Reject Field,
    V006 Reject Field,
    V007 Warning Field,
    V008 Reject Field,
    V009 Warning Field,
    V010 Reject Field,
    V011 Warning Field,
    V012 Warning Field,
    V013 Reject Field,
    V014 Reject Field,
    V015 Reject Field,
    V016 Warning Field,
    V017 Reject Field,
    I001 Reject Field,
    I002 Reject Field,
    I003 Reject Field,
    I004 Warning Row,
    I005 Reject Field,
    I006 Reject Field,
    I007 Reject Field,
    I008 Reject Field,
    I009 Warning Row,
    I010 Reject Field,
    I011 Reject Field,
    I012 Reject Row,
    I013 Reject Row,
    I014 Hold Row,
    I015 Reject Row,
    I016 Hold Row,
    I017 Warning Row,
    X001 Reject Row,
    X002 Reject Row,
    X003 Reject Row,
    X004 Reject Row,
    X005 Reject Row,
    X006 Reject Row,
    X007 Reject Row,
    X008 Reject Row,
    X009 Reject Row,
    X010 Reject Row,
    X011 Reject Row,
    X012 Reject Row,
    X013 Reject Row,
    X014 Warning Row,
    X015 Warning Row,
    X016 Reject Row,
    X017 Reject Row,
    X018 Reject Row,
    X019 Reject Row,
    X020 Warning Row,
    X021 Reject Row,
    X022 Reject Row,
    X023 Reject Row,
    X024 Warning Row,
    X025 Warning Row,
    X026 Reject Row,
    X027 Warning Row,
    X028 Warning Row,
    X029 Warning Row,
    X030 Warning Row,
    X031 Reject Row,
    S001 Reject RowSet,
    S002 Warning RowSet,
    S003 Reject RowSet,
    S004 Reject RowSet,
    S005 Warning RowSet,
    P001 Reject AccountHistory,
    P002 Reject AccountHistory,
    P003 Reject AccountHistory,
    P004 Hold AccountHistory,
    P005 Hold AccountHistory,
    P006 Warning AccountHistory,
    P007 Warning AccountHistory,
    P008 Warning AccountHistory,
    P009 Warning AccountHistory,
    P010 Hold AccountHistory,
    P011 Reject AccountHistory,
    P012 Reject AccountHistory,
    P013 Reject AccountHistory,
    P014 Warning AccountHistory,
    P015 Warning AccountHistory,
    P016 Warning AccountHistory,
    P017 Reject AccountHistory,
    P018 Warning AccountHistory,
    P019 Warning AccountHistory,
    E001 Reject Row,
    E002 Warning Row,
    E003 Reject Row,
    E004 Reject Row,
    E005 Reject Row,
    E006 Reject Row,
    E007 Warning Row,
    E008 Warning Row,
    E009 Reject Row,
    E010 Warning Row,
    A001 Reject Row,
    A002 Reject Row,
    A003 Reject Row,
    A004 Reject Row,
    A005 Warning Row,
    A006 Hold Row,
    L001 Reject Row,
    L002 Warning Row,
    L003 Reject Process,
    L004 Reject Row,
    L005 Warning Process,
    L006 Reject Row,
    L007 Reject Row,
    L008 Warning Row,
    L009 Reject Row,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
