import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapTypeTests {
    @Test func `each keyed type takes an entry, gives it back and lets it go`() throws {
        let apiary = try mapsDaemon()
        let entries: [(map: String, key: String, value: String)] = [
            ("hash", "1", #"{"packets":1,"bytes":2}"#), ("lru_hash", "4294967295", "7"),
            ("flows", #"{"address":16909060,"port":443}"#, "5"),
            ("names", #"{"name":"a/b%"}"#, "5"),
            ("lpm", #"{"bits":24,"address":"0a000000"}"#, "3"),
            ("device_hash", "1", "1"), ("devices", "1", "1"), ("cpus", "0", "192"),
            ("outer", "1", #"{"map":"m/inner_two"}"#), ("outers", "2", #"{"map":"m/inner_one"}"#),
            ("calls", "1", #"{"function":"other"}"#),
        ]
        for entry in entries {
            let key = entry.key.replacing("%", with: "%25").replacing("/", with: "%2F")
            let path = "/v1/maps/m/\(entry.map)/entries/\(key)"
            let document = #"{"key":\#(entry.key),"value":\#(entry.value)}"#
            try apiary.curl("PUT \(path)", json: #"{"value":\#(entry.value)}"#)
                .answers(201, document)
            try apiary.curl("GET \(path)").answers(200, document)
            let lines = try apiary.curl("GET /v1/maps/m/\(entry.map)/entries?format=ndjson").lines
            #expect(lines.first == (try JSONValue.parse(document)), "\(entry.map)")
            try apiary.curl("DELETE \(path)").answers(204)
            try apiary.curl("GET \(path)").answers(404, problem: .notFound)
        }
    }

    @Test func `per-CPU values come one by one, summed or as the largest`() throws {
        let apiary = try mapsDaemon()
        let path = "/v1/maps/m/percpu_hash/entries/1"
        let cpus = try apiary.curl("GET /v1/host")["/cpus/possible"]?.int ?? 0
        let values = (1...cpus).map { #"{"packets":\#($0),"bytes":1}"# }.joined(separator: ",")
        try apiary.curl("PUT \(path)", json: #"{"values":[\#(values)]}"#).answers(201)
        let sum = cpus * (cpus + 1) / 2
        try apiary.curl("GET \(path)?cpu=sum")
            .answers(200, #"{"value":{"packets":\#(sum),"bytes":\#(cpus)}}"#)
        try apiary.curl("GET \(path)?cpu=max")
            .answers(200, #"{"value":{"packets":\#(cpus),"bytes":1}}"#)
        let one = try apiary.curl("GET \(path)").answers(200)
        #expect(one["/values"]?.array?.count == cpus)
        try apiary.curl("PUT \(path)", json: #"{"values":[\#(values),{}]}"#)
            .answers(422, problem: .sizeMismatch)
        try apiary.curl("PUT \(path)", json: #"{"value":{}}"#)
            .answers(400, problem: .invalidMember)
    }

    @Test func `the object's types are those of maps with which the kernel keeps none`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/d", file: "mapdeclared.bpf.o").answers(201)
        let job = #"{"id":1,"level":"HIGH","name":"scan"}"#
        try apiary.curl("GET /v1/maps/d/jobs").answers(200, #"{"value_type":"struct job"}"#)
        try apiary.curl("POST /v1/maps/d/jobs/push", json: #"{"value":\#(job)}"#).answers(204)
        try apiary.curl("POST /v1/maps/d/jobs/pop").answers(200, #"{"value":\#(job)}"#)
        let wrong = try apiary.curl(
            "POST /v1/maps/d/jobs/push", json: #"{"value":{"level":"MIDDLE"}}"#
        ).answers(422, problem: .invalidValue)
        #expect(wrong["/pointer"]?.string == "/value/level")
        try apiary.curl("POST /v1/maps/d/known/push", json: #"{"value":\#(job)}"#).answers(204)
        try apiary.curl("POST /v1/maps/d/known/peek", json: #"{"value":\#(job)}"#).answers(200)
        try apiary.curl("PUT /v1/maps/d/ports/entries/0", json: #"{"value":{"ifindex":1}}"#)
            .answers(201, #"{"value":{"ifindex":1}}"#)
        try apiary.curl("GET /v1/maps/d/ports/entries/0").answers(200, #"{"value":{"ifindex":1}}"#)
        try apiary.curl("PUT /v1/maps/d/levels/entries/LOW", json: #"{"value":"d/counts"}"#)
            .answers(201, #"{"key":"LOW","value":{"map":"d/counts"}}"#)
        let other = try apiary.curl(
            "PUT /v1/maps/d/levels/entries/HIGH", json: #"{"value":"d/other"}"#
        )
        .answers(422, problem: .unsupportedMapOperation)
        #expect(other["/detail"]?.string?.contains("differs") == true)

        // Also of a daemon that finds them, and of a program that uses another's map.
        try apiary.restart()
        try apiary.curl("GET /v1/maps/d/levels/entries").answers(200, #"{"items":[{"key":"LOW"}]}"#)
        let trie = try mapsDaemon()
        let long = try trie.curl(
            "PUT /v1/maps/m/lpm/entries/%7B%22bits%22:33,%22address%22:%220a000000%22%7D",
            json: #"{"value":1}"#
        ).answers(422, problem: .invalidValue)
        #expect(long["/pointer"]?.string == "/bits")
    }

    @Test func `queues and stacks are pushed, peeked at and popped; a full one says so`() throws {
        let apiary = try mapsDaemon()
        for value in 1...3 {
            try apiary.curl("POST /v1/maps/m/queue/push", json: #"{"value":\#(value)}"#)
                .answers(204)
            try apiary.curl("POST /v1/maps/m/stack/push", json: #"{"value":\#(value)}"#)
                .answers(204)
        }
        let full = try apiary.curl("POST /v1/maps/m/queue/push", json: #"{"value":4}"#)
            .answers(507, problem: .mapFull)
        #expect(full["/detail"]?.string?.contains("3") == true)
        try apiary.curl("POST /v1/maps/m/queue/push?overwrite=true", json: #"{"value":4}"#)
            .answers(204)
        try apiary.curl("POST /v1/maps/m/queue/peek").answers(200, #"{"value":2}"#)
        try apiary.curl("POST /v1/maps/m/queue/pop?dry_run=true").answers(200, #"{"value":2}"#)
        for value in [2, 3, 4] {
            try apiary.curl("POST /v1/maps/m/queue/pop").answers(200, #"{"value":\#(value)}"#)
        }
        try apiary.curl("POST /v1/maps/m/queue/pop").answers(404, problem: .notFound)
        try apiary.curl("POST /v1/maps/m/stack/pop").answers(200, #"{"value":3}"#)
        try apiary.curl("POST /v1/maps/m/hash/pop")
            .answers(422, problem: .unsupportedMapOperation)
    }

    @Test func `a bloom filter knows what it was given`() throws {
        let apiary = try mapsDaemon()
        try apiary.curl("POST /v1/maps/m/bloom/push", json: #"{"value":7}"#).answers(204)
        try apiary.curl("POST /v1/maps/m/bloom/peek", json: #"{"value":7}"#).answers(200)
        try apiary.curl("POST /v1/maps/m/bloom/peek", json: #"{"value":8}"#)
            .answers(404, problem: .notFound)
        try apiary.curl("POST /v1/maps/m/bloom/peek").answers(400, problem: .invalidMember)
    }

    @Test func `local storage is reached by process and by path`() throws {
        let apiary = try mapsDaemon()
        let pid = try #require(apiary.processIdentifier)
        for key in ["tasks/entries/\(pid)", #"inodes/entries/{"path":"%2Fetc%2Fpasswd"}"#] {
            try apiary.curl("GET /v1/maps/m/\(key)").answers(404, problem: .notFound)
            try apiary.curl("PUT /v1/maps/m/\(key)", json: #"{"value":5}"#).answers(201)
            try apiary.curl("GET /v1/maps/m/\(key)").answers(200, #"{"value":5}"#)
            try apiary.curl("DELETE /v1/maps/m/\(key)").answers(204)
        }
        try apiary.curl("GET /v1/maps/m/tasks/entries/4194305")
            .answers(422, problem: .invalidValue)
        try apiary.curl("GET /v1/maps/m/tasks/entries/-1").answers(422, problem: .invalidValue)
    }

    @Test func `inner maps and functions that do not exist are refused by name`() throws {
        let apiary = try mapsDaemon()
        try apiary.curl("PUT /v1/maps/m/outer/entries/1", json: #"{"value":{"map":"m/none"}}"#)
            .answers(404, problem: .notFound)
        try apiary.curl("PUT /v1/maps/m/calls/entries/1", json: #"{"value":{"function":"othr"}}"#)
            .answers(422, problem: .invalidValue)
        try apiary.curl("PUT /v1/maps/m/outer/entries/1", json: #"{"value":{"map":"m/hash"}}"#)
            .answers(422, problem: .unsupportedMapOperation)
    }

    @Test(.needs(.rawTracepoint)) func `stacks have the names of the kernel's functions`() throws {
        let apiary = try mapsDaemon()
        try apiary.curl("POST /v1/probes", json: #"{"program":"m","function":"sample"}"#)
            .answers(201)
        let isThere = try Machine.waits {
            try apiary.curl("GET /v1/maps/m/stacks/entries?count=true")["/count"]?.int ?? 0 > 0
        }
        #expect(isThere)
        let lines = try apiary.curl("GET /v1/maps/m/stacks/entries?format=ndjson").lines
        let frames = lines.dropLast().flatMap { $0["value"]?.array ?? [] }
        #expect(frames.contains { $0["symbol"]?.string == "schedule" })
        try apiary.curl("PUT /v1/maps/m/stacks/entries/1", json: #"{"value":[]}"#)
            .answers(422, problem: .unsupportedMapOperation)
    }

    @Test func `clearing empties maps and zeroes arrays`() throws {
        let apiary = try mapsDaemon()
        try apiary.curl("PUT /v1/maps/m/hash/entries/1", json: #"{"value":{}}"#).answers(201)
        try apiary.curl("PUT /v1/maps/m/devices/entries/1", json: #"{"value":1}"#).answers(201)
        try apiary.curl("PUT /v1/maps/m/array/entries/1", json: #"{"value":9}"#).answers(200)
        try apiary.curl("DELETE /v1/maps/m/hash/entries?dry_run=true")
            .answers(200, #"{"cleared":1,"dry_run":true}"#)
        for (map, count) in [("hash", 1), ("devices", 1), ("array", 10), ("hash", 0)] {
            try apiary.curl("DELETE /v1/maps/m/\(map)/entries")
                .answers(200, #"{"cleared":\#(count)}"#)
        }
        try apiary.curl("GET /v1/maps/m/array/entries/1").answers(200, #"{"value":0}"#)
        try apiary.curl("DELETE /v1/maps/m/tasks/entries")
            .answers(422, problem: .unsupportedMapOperation)
    }
}
