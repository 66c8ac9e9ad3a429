/// What should be in memory, given what computes next: the decisions of a `Residency`, as a value.
///
/// Weights are cut into pieces, and a resident (an expert, the text encoder) is a list of pieces in the order a pass
/// reads them. The passes to come are known, so the next use of every piece is known too, in bytes that are read
/// before it. One rule follows: bring the missing piece that is used next; if there is no room, let the piece go whose
/// next use is farthest away (L. Belady, 1966), provided that it is used never again or at least twice as late as the
/// one that comes. So the next expert comes into what the running one leaves behind, an expert larger than the room
/// streams past, and nothing that computes is ever evicted for something that only will.
///
/// Twice as late and not just later: in a loop over more than fits, each piece let go has to come back, and with this
/// margin at most twice the bytes that are missing are read on each turn.
package struct ResidencyPlan: Sendable {
    package enum Presence: Sendable { case away, coming, here, leaving }

    package enum Move: Sendable, Equatable {
        case bring(Int)
        case drop(Int)
    }

    package struct Piece: Sendable {
        package let bytes: Int
        package fileprivate(set) var presence = Presence.away
        /// Readers that use it now.
        package fileprivate(set) var holds = 0
    }

    package private(set) var pieces: [Piece] = []
    /// Pieces of each resident in the order of a pass. A piece may belong to several.
    package private(set) var residents: [[Int]] = []
    /// Residents that compute next. While `isUnderway`, the first is computing.
    package private(set) var passes: [Int] = []
    package private(set) var isUnderway = false
    /// Where in the first pass the reading is.
    private var cursor = 0
    /// Pieces that somebody waits for.
    private var wanted: [Int] = []
    /// Bytes that may be in memory. A piece that is waited for comes even if nothing more can leave for it.
    package var room: Int
    /// Bytes that are in memory, or on their way in or out.
    package private(set) var used = 0

    package init(room: Int) {
        self.room = room
    }

    // MARK: What there is

    package mutating func addPiece(bytes: Int) -> Int {
        pieces.append(Piece(bytes: bytes))
        return pieces.count - 1
    }

    package mutating func addResident(_ pieces: [Int]) -> Int {
        residents.append(pieces)
        return residents.count - 1
    }

    // MARK: What computes

    /// Replaces the passes to come; one that is underway stays first.
    package mutating func expect(_ coming: [Int]) {
        passes = (isUnderway ? Array(passes.prefix(1)) : []) + coming
        if !isUnderway { cursor = 0 }
    }

    /// A pass begins: what was expected before it is not to come any more.
    package mutating func begin(_ resident: Int) {
        if isUnderway { end() }
        if let index = passes.firstIndex(of: resident) {
            passes.removeFirst(index)
        } else {
            passes.insert(resident, at: 0)
        }
        isUnderway = true
        cursor = 0
    }

    package mutating func end() {
        guard isUnderway else { return }
        isUnderway = false
        passes.removeFirst()
        cursor = 0
    }

    /// Somebody reads the piece.
    /// - Returns: whether it is there. If not, it is waited for: ask again when it has been brought.
    package mutating func hold(_ piece: Int) -> Bool {
        if isUnderway, let index = residents[passes[0]][cursor...].firstIndex(of: piece) { cursor = index }
        guard pieces[piece].presence == .here else {
            if !wanted.contains(piece) { wanted.append(piece) }
            return false
        }
        wanted.removeAll { $0 == piece }
        pieces[piece].holds += 1
        return true
    }

    package mutating func release(_ piece: Int) {
        pieces[piece].holds -= 1
    }

    // MARK: What follows

    /// Pieces in the order of their next use, with the bytes that are read before it.
    package var upcoming: [(piece: Int, distance: Int)] {
        var order: [(Int, Int)] = []
        var isSeen = [Bool](repeating: false, count: pieces.count)
        func visit(_ piece: Int, _ distance: Int) {
            if !isSeen[piece] { order.append((piece, distance)) }
            isSeen[piece] = true
        }
        for piece in wanted { visit(piece, 0) }
        var distance = 0
        var walked: Set<Int> = []
        for (index, resident) in passes.enumerated() {
            let start = index == 0 ? cursor : 0
            // A second whole pass tells nothing new but how much lies between.
            let isNew = start > 0 || walked.insert(resident).inserted
            for piece in residents[resident][start...] {
                if isNew { visit(piece, distance) }
                distance += pieces[piece].bytes
            }
            if walked.count == residents.count { break }
        }
        return order
    }

    /// Whether something that is to be used is not there.
    package var isIncomplete: Bool { upcoming.contains { pieces[$0.piece].presence != .here } }

    /// The next thing to do, or nil if all is as it should be for now.
    package var nextMove: Move? {
        let order = upcoming
        let victim = victim(order)
        if used > room, let victim { return .drop(victim.piece) }
        guard let next = order.first(where: { pieces[$0.piece].presence == .away }) else { return nil }
        if used + pieces[next.piece].bytes <= room { return .bring(next.piece) }
        if let victim, victim.distance / 2 >= next.distance { return .drop(victim.piece) }
        // Everything that could leave has left.
        return wanted.contains(next.piece) ? .bring(next.piece) : nil
    }

    /// The piece that nobody reads, now or next, and whose next use is farthest away.
    private func victim(_ order: [(piece: Int, distance: Int)]) -> (piece: Int, distance: Int)? {
        var next = [Int](repeating: .max, count: pieces.count)
        for (piece, distance) in order { next[piece] = distance }
        return pieces.indices.filter { pieces[$0].presence == .here && pieces[$0].holds == 0 && next[$0] > 0 }
            .max { (next[$0], $0) < (next[$1], $1) }.map { ($0, next[$0]) }
    }

    /// A move was begun.
    package mutating func begin(_ move: Move) {
        switch move {
        case .bring(let piece):
            pieces[piece].presence = .coming
            used += pieces[piece].bytes
        case .drop(let piece): pieces[piece].presence = .leaving
        }
    }

    /// A move was done.
    package mutating func finish(_ move: Move) {
        switch move {
        case .bring(let piece): pieces[piece].presence = .here
        case .drop(let piece):
            pieces[piece].presence = .away
            used -= pieces[piece].bytes
        }
    }

    /// A piece that was brought turns out to be of no use: it has to be brought again.
    package mutating func lose(_ piece: Int) {
        guard pieces[piece].presence == .here else { return }
        finish(.drop(piece))
    }

    // MARK: What is to be seen

    /// Bytes of a resident that are in memory.
    /// A pass may come by a shared piece several times, between pieces of its own; it counts once.
    package func bytesHere(of resident: Int) -> Int {
        Set(residents[resident]).reduce(0) { $0 + (pieces[$1].presence == .here ? pieces[$1].bytes : 0) }
    }

    package func state(of resident: Int) -> ResidentState {
        if isUnderway, passes[0] == resident { return .hot }
        if bytesHere(of: resident) == 0, !residents[resident].contains(where: { pieces[$0].presence == .coming }) {
            return .cold
        }
        return passes.contains(resident) ? .arriving : .leaving
    }
}

/// Where a resident stands.
package enum ResidentState: String, Sendable, CaseIterable {
    /// No byte of it is in memory.
    case cold
    /// The part computes later, and is in memory in part or whole.
    case arriving
    /// The part computes now.
    case hot
    /// The part is in memory, but nothing that is known needs it: it is the first to go.
    case leaving
}
