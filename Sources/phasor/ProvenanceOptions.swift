import ArgumentParser
import Media

/// The option of every command that makes files.
struct ProvenanceOptions: ParsableArguments {
    @Flag(
        name: .customLong("no-provenance"),
        help: ArgumentHelp(
            "Leave out of files what says that a model made them, and which (XMP, IPTC's digital source type)."))
    var isLeftOut = false

    /// The program, as files name it; nil where files do not name it.
    var generator: String? { isLeftOut ? nil : Provenance.phasor }
}
