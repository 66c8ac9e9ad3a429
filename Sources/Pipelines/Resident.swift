/// A part of a model whose weights are needed, or not, as a whole.
package enum Resident: Hashable, Sendable, CustomStringConvertible {
    case textEncoder
    case expert(String)
    case vae

    /// The folder it is in.
    package var description: String {
        switch self {
        case .textEncoder: "text_encoder"
        case .expert(let name): name
        case .vae: "vae"
        }
    }
}
