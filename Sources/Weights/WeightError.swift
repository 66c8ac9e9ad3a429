/// What is wrong with a weight file or with what a network expected of it.
package enum WeightError: Error, CustomStringConvertible {
    /// The file cannot be opened or mapped; `reason` is the system's.
    case unreadable(file: String, reason: String)
    /// The file cannot be written; `reason` is the system's, or what its format lacks.
    case unwritable(file: String, reason: String)
    /// The bytes are not what the format says they must be.
    case malformed(file: String, reason: String)
    /// The file is whole, but made in a way that is not read here.
    case unsupported(file: String, reason: String)
    /// A file that another one names is not there.
    case missingFile(file: String, namedBy: String)
    case missingTensor(key: String, source: String)
    case wrongShape(key: String, source: String, expected: [Int], found: [Int])
    case wrongType(key: String, source: String, found: String)
    /// An adapter that does not fit the network it is put on.
    case unusableAdapter(file: String, reason: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
        case .unwritable(let file, let reason): "\(file): cannot be written: \(reason)"
        case .malformed(let file, let reason), .unsupported(let file, let reason): "\(file): \(reason)"
        case .missingFile(let file, let namedBy): "\(file): no such file, but \(namedBy) names it"
        case .missingTensor(let key, let source): "\(source): no tensor \"\(key)\""
        case .wrongShape(let key, let source, let expected, let found):
            "\(source): \"\(key)\" has shape \(found), the configuration asks for \(expected)"
        case .wrongType(let key, let source, let found):
            "\(source): \"\(key)\" is stored as \(found), which is not a floating-point type read here"
        case .unusableAdapter(let file, let reason): "\(file): \(reason)"
        }
    }
}
