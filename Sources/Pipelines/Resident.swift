/// A part of a model whose weights are needed, or not, as a whole.
package enum Resident: Hashable, Sendable {
    case textEncoder
    case expert(String)
    case vae
}
