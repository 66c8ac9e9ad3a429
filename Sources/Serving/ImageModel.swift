/// A model as the engine sees it.
package protocol ImageModel: Sendable {
    /// What a request names it by.
    var id: String { get }
}
