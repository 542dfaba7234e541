import JSON
import Linux
import TestSupport
import Testing

/// `kill -9` at each named point of each operation: after the next start the registration is as it
/// was before or as it was asked for, what was acknowledged is there, and `apiary verify` agrees.
@Suite(.requiresRoot, .serialized) struct FaultPointTests {
    /// Points in the course of a change; those of a start are in FaultStartTests.
    private static let points: [FaultPoint] = FaultPoint.allCases.filter {
        ![.inMigration, .afterMigration, .afterUndo, .afterBringBack, .beforeReady].contains($0)
    }

    private static let operations = FaultOperation.all.filter { operation in
        FaultRun.isLong || ["replace", "attach", "unload", "global"].contains(operation.name)
    }

    @Test(.needs(.uprobe), arguments: operations)
    func `a kill at each point leaves the state before or after, never between`(
        _ operation: FaultOperation
    ) throws {
        let apiary = try TestDaemon()
        for step in operation.setUp { try take(step, apiary) }
        let before = try apiary.registered()
        try take(operation.change, apiary)
        let after = try apiary.registered()
        for step in operation.back { try take(step, apiary) }
        #expect(try apiary.registered() == before)
        for point in Self.points {
            // The second time of a point that is passed often is another place.
            for time in FaultRun.isLong ? [1, 2, 4] : [1] {
                let isHit = try kill(
                    apiary, operation, at: "\(point.name):\(time)", before, after)
                if !isHit { break }
            }
        }
    }

    private func take(_ step: FaultOperation.Step, _ apiary: TestDaemon) throws {
        let answer = try apiary.curl(step.request, file: step.file, json: step.json)
        #expect(answer.status < 300, "\(answer)")
    }

    /// - Returns: whether the operation comes by the point.
    private func kill(
        _ apiary: TestDaemon, _ operation: FaultOperation, at point: String, _ before: String,
        _ after: String
    ) throws -> Bool {
        apiary.stop()
        try apiary.start(faultAt: point)
        let change = operation.change
        let status = apiary.attempt(change.request, file: change.file, json: change.json)
        // What comes after the answer: the point may lie there.
        if status != nil { Clock.sleep(nanoseconds: 20_000_000) }
        let isDead = try status == nil ? apiary.waitsForDeath() : apiary.processIdentifier == nil
        if !isDead { apiary.stop() }
        try apiary.startWithoutFault()
        let what = "\(point) in \(operation.name)"
        let now = try apiary.registered()
        if let status {
            #expect(status < 300, "\(what): \(status)")
            #expect(now == after, "\(what): acknowledged, and not there")
        } else {
            #expect(now == before || now == after, "\(what):\n\(now)\nbefore:\n\(before)")
        }
        try apiary.isSound(what)
        if isDead {
            FaultReport.line(
                "kill -9 at \(point) in \(operation.name)", 1,
                "state as \(now == after ? "after" : "before"); registry and kernel agree")
        }
        if now == after && now != before {
            for step in operation.back { try take(step, apiary) }
        }
        #expect(try apiary.registered() == before, "\(what): the way back")
        return isDead
    }
}
