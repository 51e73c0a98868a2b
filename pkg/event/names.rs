//! The names of a bus's programs, on its server and in texts.

/// What a program says about itself and its bus to the server and to operators. All programs of one bus give the
/// same names: the server's consumers and the headers of events are found by them.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// Name of the connections. The bus's own headers begin with it: `PROGRAM-redriven`.
    pub program: &'static str,
    /// The kind of program that reads the lanes. Their consumers begin with it: `READER_live`, `READER_bulk`.
    pub reader: &'static str,
    /// Description of the stream.
    pub stream: &'static str,
    /// Description of the spare stream.
    pub spare: &'static str,
    /// Description of the lanes' consumers.
    pub consumer: &'static str,
}

impl Names {
    /// The bus's own header of this kind.
    pub(crate) fn header(&self, kind: &str) -> String {
        format!("{}-{kind}", self.program)
    }
}
