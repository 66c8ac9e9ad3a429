/// A part of a model whose weights are needed, or not, as a whole. Its name is the folder's in diffusers layout, or that
/// of an expert in `phases.json`.
package struct Part: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    package let name: String

    package init(_ name: String) {
        self.name = name
    }

    package init(stringLiteral name: String) {
        self.name = name
    }

    package var description: String { name }
}

/// What a generation does on its way, in the order that its family declares.
package struct Stage: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Given pictures become inputs of the network.
        case picture
        /// Prompts become conditionings.
        case text
        /// Denoising; each step passes through the expert that owns its sigma.
        case steps
        /// The latent becomes frames.
        case decode
    }

    package let kind: Kind
    /// The part that the stage passes through; nil for steps, whose phases say it.
    package let part: Part?

    package static func text(_ part: Part) -> Stage { Stage(kind: .text, part: part) }
    package static let steps = Stage(kind: .steps, part: nil)
    package static func decode(_ part: Part) -> Stage { Stage(kind: .decode, part: part) }

    private init(kind: Kind, part: Part?) {
        self.kind = kind
        self.part = part
    }
}

/// One pass of a generation through the weights of a part.
package struct Pass: Hashable, Sendable {
    package let stage: Stage.Kind
    package let part: Part

    package init(_ stage: Stage.Kind, _ part: Part) {
        self.stage = stage
        self.part = part
    }
}
