/// A working set of published files: everything that a model is generated with, of several repositories, under one name. Each
/// family lists its own (`ModelFamily.knownSets`).
package struct KnownSet: Sendable {
    package let name: String
    /// The family of models, by its name here.
    package let family: String
    /// What it makes.
    package let makes: String
    package let licence: String
    /// Smaller ones last.
    package let variants: [Variant]

    package struct Variant: Sendable {
        /// The name of the weights' type, e.g. `Q4_K_M`.
        package let name: String
        package let files: [File]
        /// Memory that the largest part and its activations want, in gigabytes; a machine with less reads weights again and
        /// again.
        package let memory: Int

        /// Approximate; the hub says the true number.
        package var bytes: Int { files.reduce(0) { $0 + $1.megabytes } * 1_000_000 }
    }

    package enum Role: Sendable, Equatable {
        case expert(String)
        case textEncoder
        case vae
        case lora(String)
        /// A whole repository in diffusers' layout.
        case folder
    }

    package struct File: Sendable {
        package let role: Role
        /// `OWNER/NAME/FILE`, or `OWNER/NAME` of a folder.
        package let path: String
        package let megabytes: Int
        /// The type of a folder's weights.
        package let type: String?

        init(_ role: Role, _ path: String, _ megabytes: Int, type: String? = nil) {
            self.role = role
            self.path = path
            self.megabytes = megabytes
            self.type = type
        }
    }

    /// `NAME`, or `NAME:VARIANT`.
    package static func find(_ text: String) -> (set: KnownSet, variant: String?)? {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard let first = parts.first, let set = Families.knownSets.first(where: { $0.name == first }) else {
            return nil
        }
        return (set, parts.count > 1 ? parts[1] : nil)
    }

    /// The variant of that name, in capitals or not.
    package func variant(named name: String) -> Variant? {
        variants.first { $0.name.lowercased() == name.lowercased() }
    }

    /// The largest variant that the memory has room for, else the smallest; nil for a set of none.
    /// - Parameter memory: bytes.
    package func variant(for memory: Int) -> Variant? {
        variants.first { $0.memory * 1_000_000_000 <= memory } ?? variants.last
    }
}
