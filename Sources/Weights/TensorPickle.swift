import Tensor

/// A reader of Python pickles that holds tensors and nothing else. A pickle is a program for a small stack machine, and one
/// that may call any function there is; this machine knows the few calls that tensors are written with, carries them out as
/// data, and refuses the file at the first other. No code runs, no name is looked up.
///
/// Opcodes: Python's `pickletools`, protocols 0 to 5, of which PyTorch writes protocol 2.
package struct TensorPickle {
    /// What was refused, for an error that also names the file.
    package struct Fault: Error {
        package let reason: String
        /// Whether the pickle is whole but asks for something else than tensors.
        package let isForeign: Bool

        package init(reason: String, isForeign: Bool) {
            self.reason = reason
            self.isForeign = isForeign
        }
    }

    static let longest = 1 << 24
    /// Containers that are made, values on the stack, values remembered.
    private static let mostObjects = 1 << 20
    /// Values in all containers when they were made: a container can be copied any number of times by few bytes.
    private static let mostValues = 1 << 22

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var stack: [PickledValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickledValue] = [:]
    /// Everything that was made. Emptied at the end, one by one: chains of a million containers, and containers that hold
    /// themselves, are let go without recursion.
    private var made: [PickledItems] = []
    private var valuesMade = 0

    private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Reads the pickle and hands what it holds to `body`.
    package static func read<Value>(
        _ bytes: UnsafeRawBufferPointer, _ body: (PickledValue) throws(Fault) -> Value
    ) throws(Fault) -> Value {
        guard bytes.count <= longest else {
            throw Fault(reason: "its pickle has \(bytes.count) bytes, at most \(longest) are read", isForeign: true)
        }
        var machine = TensorPickle(bytes)
        defer {
            machine.stack = []
            machine.memo = [:]
            for items in machine.made { items.values = [] }
        }
        return try body(try machine.run())
    }

    // MARK: The machine

    private mutating func run() throws(Fault) -> PickledValue {
        while true {
            let place = position
            guard let code = take(1)?.first else { throw damaged("it has no end") }
            if code == UInt8(ascii: ".") { return try pop() }
            try step(code, place)
            guard stack.count <= Self.mostObjects, made.count <= Self.mostObjects, memo.count <= Self.mostObjects else {
                throw foreign("more than \(Self.mostObjects) objects")
            }
        }
    }

    private mutating func step(_ code: UInt8, _ place: Int) throws(Fault) {
        switch code {
        // Protocol and frame: nothing to do.
        case 0x80: _ = try integer(UInt8.self)
        case 0x95: _ = try integer(UInt64.self)
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "J"): stack.append(.int(Int(try integer(Int32.self))))
        case UInt8(ascii: "K"): stack.append(.int(Int(try integer(UInt8.self))))
        case UInt8(ascii: "M"): stack.append(.int(Int(try integer(UInt16.self))))
        case 0x8A: stack.append(.int(try long()))
        case UInt8(ascii: "G"): stack.append(.float(Double(bitPattern: try integer(UInt64.self).byteSwapped)))
        case UInt8(ascii: "X"): stack.append(.string(try string(Int(try integer(UInt32.self)))))
        case 0x8C: stack.append(.string(try string(Int(try integer(UInt8.self)))))
        case UInt8(ascii: "}"): stack.append(.dictionary(try make([])))
        case UInt8(ascii: "]"): stack.append(.list(try make([])))
        case UInt8(ascii: ")"): stack.append(.tuple(try make([])))
        case 0x85: try tuple(1)
        case 0x86: try tuple(2)
        case 0x87: try tuple(3)
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "t"): stack.append(.tuple(try make(try popToMark())))
        case UInt8(ascii: "a"), UInt8(ascii: "e"): try append(code == UInt8(ascii: "a") ? [try pop()] : try popToMark())
        case UInt8(ascii: "s"):
            let value = try pop()
            try set([try pop(), value])
        case UInt8(ascii: "u"): try set(try popToMark())
        case UInt8(ascii: "q"): memo[Int(try integer(UInt8.self))] = try top()
        case UInt8(ascii: "r"): memo[Int(try integer(UInt32.self))] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): try recall(Int(try integer(UInt8.self)))
        case UInt8(ascii: "j"): try recall(Int(try integer(UInt32.self)))
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "2"): stack.append(try top())
        case UInt8(ascii: "c"): try global("\(try line()) \(try line())")
        case 0x93:
            guard let name = try pop().text, let module = try pop().text else { throw damaged("a name is no string") }
            try global("\(module) \(name)")
        case UInt8(ascii: "Q"): stack.append(.storage(try storage(try pop())))
        case UInt8(ascii: "R"):
            let arguments = try pop()
            stack.append(try call(try pop(), arguments))
        case UInt8(ascii: "b"): try build(try pop())
        default:
            throw foreign("an instruction (\(code), at byte \(place)) that no file of tensors needs")
        }
    }

    private func damaged(_ reason: String) -> Fault {
        Fault(reason: "its pickle is damaged or cut off: \(reason), at byte \(position)", isForeign: false)
    }

    private func foreign(_ what: String) -> Fault {
        Fault(
            reason: "its pickle has \(what); only tensors are read from such files, and nothing of it was run",
            isForeign: true)
    }

    // MARK: Bytes

    private mutating func take(_ count: Int) -> Slice<UnsafeRawBufferPointer>? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return bytes[position..<position + count]
    }

    private mutating func integer<I: FixedWidthInteger>(_: I.Type) throws(Fault) -> I {
        guard let part = take(MemoryLayout<I>.size) else { throw damaged("a number is not whole") }
        return I(littleEndian: UnsafeRawBufferPointer(rebasing: part).loadUnaligned(as: I.self))
    }

    private mutating func string(_ count: Int) throws(Fault) -> String {
        guard let part = take(count) else { throw damaged("a string is not whole") }
        guard let text = String(validating: part, as: UTF8.self) else { throw damaged("a string is not UTF-8") }
        return text
    }

    /// A whole number of up to eight bytes in two's complement.
    private mutating func long() throws(Fault) -> Int {
        let count = Int(try integer(UInt8.self))
        guard let part = take(count) else { throw damaged("a number is not whole") }
        guard count <= 8 else { throw foreign("a number of \(count) bytes") }
        guard let last = part.last else { return 0 }
        var value: Int64 = last & 0x80 != 0 ? -1 : 0
        for byte in part.reversed() { value = value << 8 | Int64(byte) }
        return Int(value)
    }

    private mutating func line() throws(Fault) -> String {
        guard let end = bytes[position...].prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
            throw damaged("a name is not whole")
        }
        let text = try string(end - position)
        position += 1
        return text
    }

    // MARK: The stack

    private mutating func pop() throws(Fault) -> PickledValue {
        guard stack.count > (marks.last ?? 0), let value = stack.popLast() else { throw damaged("a value is missing") }
        return value
    }

    private func top() throws(Fault) -> PickledValue {
        guard stack.count > (marks.last ?? 0), let value = stack.last else { throw damaged("a value is missing") }
        return value
    }

    private mutating func popToMark() throws(Fault) -> [PickledValue] {
        guard let mark = marks.popLast(), mark <= stack.count else { throw damaged("a mark is missing") }
        let values = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return values
    }

    private mutating func make(_ values: [PickledValue]) throws(Fault) -> PickledItems {
        valuesMade += values.count
        guard valuesMade <= Self.mostValues else { throw foreign("more than \(Self.mostValues) values") }
        let items = PickledItems(values)
        made.append(items)
        return items
    }

    private mutating func tuple(_ count: Int) throws(Fault) {
        var values: [PickledValue] = []
        for _ in 0..<count { values.append(try pop()) }
        stack.append(.tuple(try make(values.reversed())))
    }

    private mutating func append(_ values: [PickledValue]) throws(Fault) {
        guard case .list(let items) = try top() else { throw damaged("what is appended to is no list") }
        items.values += values
        try limit(items)
    }

    private mutating func set(_ pairs: [PickledValue]) throws(Fault) {
        guard case .dictionary(let items) = try top(), pairs.count % 2 == 0 else {
            throw damaged("what is set is no dictionary")
        }
        items.values += pairs
        try limit(items)
    }

    private func limit(_ items: PickledItems) throws(Fault) {
        guard items.values.count <= 2 * Self.mostObjects else { throw foreign("a list that is too long") }
    }

    private mutating func recall(_ index: Int) throws(Fault) {
        guard let value = memo[index] else { throw damaged("value \(index) was never remembered") }
        stack.append(value)
    }

    // MARK: What tensors are written with

    private static let ordered = "collections OrderedDict"
    private static let functions: Set<String> = [
        ordered, "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3",
        "torch._utils _rebuild_parameter",
        "torch Size",
    ]

    private mutating func global(_ name: String) throws(Fault) {
        guard Self.functions.contains(name) || ElementType(torch: name) != nil || Self.isUntyped(name) else {
            let shown = name.prefix(100).replacing(" ", with: ".")
            throw foreign("the Python object \"\(shown)\"")
        }
        stack.append(.global(name))
    }

    static func isUntyped(_ name: String) -> Bool {
        name == "torch UntypedStorage" || name == "torch.storage UntypedStorage"
    }

    /// A persistent id: `("storage", class, key, device, elements)`.
    private func storage(_ id: PickledValue) throws(Fault) -> PickledStorage {
        guard case .tuple(let items) = id, items.values.count >= 5, items.values[0].text == "storage",
            case .global(let type) = items.values[1], let key = items.values[2].text,
            let count = items.values[4].integer,
            count >= 0, type.hasSuffix("Storage")
        else { throw damaged("a storage is not described as PyTorch does") }
        return PickledStorage(type: type, key: key, count: count)
    }

    private mutating func call(_ function: PickledValue, _ arguments: PickledValue) throws(Fault) -> PickledValue {
        guard case .global(let name) = function else { throw foreign("a call of \(function.kind)") }
        guard case .tuple(let items) = arguments else { throw damaged("a call has no arguments") }
        let values = items.values
        switch name {
        case Self.ordered where values.isEmpty: return .dictionary(try make([]))
        case Self.ordered:
            guard values.count == 1, case .list(let pairs) = values[0] else {
                throw damaged("an OrderedDict of something else")
            }
            var flat: [PickledValue] = []
            for pair in pairs.values {
                let both: PickledItems? =
                    switch pair {
                    case .tuple(let items), .list(let items): items
                    default: nil
                    }
                guard let both, both.values.count == 2 else { throw damaged("an OrderedDict of something else") }
                flat += both.values
            }
            return .dictionary(try make(flat))
        case "torch Size":
            guard let sizes = values.first?.sizes else { throw damaged("a size of something else") }
            return .tuple(try make(sizes.map { .int($0) }))
        case "torch._utils _rebuild_parameter":
            guard case .tensor? = values.first else { throw damaged("a parameter of something else") }
            return values[0]
        case "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3":
            var dtype: String?
            if name.hasSuffix("v3") {
                guard values.count >= 7, case .global(let name) = values[6] else {
                    throw damaged("a tensor has no type")
                }
                dtype = name
            }
            guard values.count >= 4, case .storage(let storage) = values[0], let offset = values[1].integer,
                offset >= 0,
                let shape = values[2].sizes, let strides = values[3].sizes, shape.count == strides.count
            else { throw damaged("a tensor is not described as PyTorch does") }
            return .tensor(
                PickledTensor(storage: storage, dtype: dtype, offset: offset, shape: shape, strides: strides))
        default: throw foreign("a call of \(name.replacing(" ", with: "."))")
        }
    }

    /// What is set on an object after it was made: of an OrderedDict notes on the versions of layers, which are let go.
    private func build(_ state: PickledValue) throws(Fault) {
        guard case .dictionary = try top(), case .dictionary = state else {
            throw foreign("a state of \(try top().kind)")
        }
    }
}
