/// What a pickle of tensors is made of. Containers are objects, as a pickle fills them after it has named them.
package enum PickledValue {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    /// A function or class by its module and name; it is never looked up.
    case global(String)
    case list(PickledItems)
    case tuple(PickledItems)
    /// Keys and values in turn.
    case dictionary(PickledItems)
    case storage(PickledStorage)
    case tensor(PickledTensor)

    /// What messages call it.
    var kind: String {
        switch self {
        case .none: "None"
        case .bool: "a boolean"
        case .int: "a whole number"
        case .float: "a number"
        case .string: "a string"
        case .global(let name): name
        case .list: "a list"
        case .tuple: "a tuple"
        case .dictionary: "a dictionary"
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }

    var integer: Int? {
        if case .int(let value) = self { value } else { nil }
    }

    var text: String? {
        if case .string(let value) = self { value } else { nil }
    }

    private static let mostAxes = 32

    /// The elements of a short tuple or list of whole numbers >= 0.
    var sizes: [Int]? {
        switch self {
        case .tuple(let items), .list(let items):
            guard items.values.count <= Self.mostAxes else { return nil }
            let sizes = items.values.compactMap(\.integer)
            return sizes.count == items.values.count && sizes.allSatisfy { $0 >= 0 } ? sizes : nil
        default: return nil
        }
    }
}

package final class PickledItems {
    var values: [PickledValue]

    init(_ values: [PickledValue]) { self.values = values }
}

/// An entry of the archive as a pickle names it.
package struct PickledStorage {
    /// The type of its elements, as PyTorch's class says (`torch FloatStorage`).
    let type: String
    let key: String
    let count: Int
}

package struct PickledTensor {
    let storage: PickledStorage
    /// Element type where the storage has none (`torch float8_e4m3fn`).
    let dtype: String?
    /// The offset in elements.
    let offset: Int
    let shape, strides: [Int]
}
