import JSON
import Testing

struct JSONValueTests {
    @Test func `what is read and written again is the same`() throws {
        let text = #"{"b":1,"a":[1.50,-0,1e5,"\u0001\"é😀",null,true,{}],"c":{"d":[]}}"#
        let value = try JSONValue.parse(text)
        #expect(String(decoding: value.serialized(), as: UTF8.self) == text)
    }

    @Test func `members keep their order and can be set and removed`() {
        var object = JSONObject()
        object["b"] = 1
        object["a"] = 2
        object["b"] = 3
        #expect(object.members.map(\.name) == ["b", "a"])
        #expect(object["b"] == 3)
        object["b"] = nil
        #expect(object.count == 1)
        #expect(object["b"] == nil)
    }

    @Test func `literals make values`() {
        let value: JSONValue = ["a": [1, "x", nil, true], "b": ["c": 0]]
        #expect(
            String(decoding: value.serialized(), as: UTF8.self)
                == #"{"a":[1,"x",null,true],"b":{"c":0}}"#)
        #expect(value["b"]?["c"]?.int == 0)
        #expect(JSONValue(String?.none) == .null)
        #expect(value.typeName == "object")
    }

    @Test func `a pointer escapes what it has to`() {
        let pointer = JSONPointer.root.appending("a/b").appending(0).appending("~").appending("")
        #expect(pointer.description == "/a~1b/0/~0/")
        #expect(JSONPointer.root.description == "")
        var path = JSONPath()
        path.enter("x")
        path.enter(3)
        path.leave()
        path.enter("y")
        #expect(path.pointer(from: .root.appending("base")).description == "/base/x/y")
    }
}
