# Makes the table of attach kinds by kernel of what guests printed, and compares it with the one of
# docs/kernels.md: awk -v kernels="6.1 6.12" -v write= -f table.awk docs/kernels.md 6.1.txt 6.12.txt
# Each guest's file has lines `matrix: KIND | RESULT`, and `skipped: this host has no KIND: …` of
# the tests that did not run. Status 1 where something differs. -v write=yes writes the document.
function cells(line, into,   count, i) {
    count = split(line, into, "|")
    for (i = 1; i <= count; i++) gsub(/^ +| +$/, "", into[i])
    return count
}

function complain(text) {
    print "kernels: " text > "/dev/stderr"
    status = 1
}

BEGIN { asked = split(kernels, order, " ") }
FNR == 1 { file++ }

# The document: a header `| kind | 5.10 | … |` and its rows, between two comments.
file == 1 {
    document[++lines] = $0
    if ($0 ~ /^<!-- table/) { inside = 1; begin = lines }
    if ($0 ~ /^<!-- end of table/) { inside = 0; end = lines }
    if (!inside || $0 !~ /^\|/) next
    count = cells($0, cell)
    if (cell[2] == "kind") {
        for (i = 3; i < count; i++) column[i] = cell[i]
        columns = count - 1
    } else if (cell[2] !~ /^-+$/) {
        kinds[++known] = cell[2]
        for (i = 3; i <= columns; i++) expected[cell[2], column[i]] = cell[i]
    }
    next
}

/^matrix: / {
    count = cells(substr($0, 9), cell)
    found[cell[1], order[file - 1]] = cell[2]
    if (!(cell[1] in seen)) {
        seen[cell[1]] = 1
        rows[++tried] = cell[1]
    }
}
/^skipped: this host has no / {
    split(substr($0, 27), word, ":")
    missing[word[1], order[file - 1]] = 1
}
# Swift Testing's own line of a test that did not run; the reason follows where there is one.
/ skipped(:|\.)/ && !/the host lacks what the test needs/ && /Test / {
    complain(order[file - 1] " skipped without a reason that is expected: " $0)
}

END {
    if (tried == 0) complain("no guest printed a row")
    if (write) {
        all = split("5.10 6.1 6.12", shown, " ")
        header = "| kind |"
        rule = "| --- |"
        for (i = 1; i <= all; i++) { header = header " " shown[i] " |"; rule = rule " --- |" }
        out = "docs/kernels.md.new"
        for (i = 1; i <= begin; i++) print document[i] > out
        print header > out
        print rule > out
        for (r = 1; r <= tried; r++) {
            line = "| " rows[r] " |"
            for (i = 1; i <= all; i++) {
                value = (rows[r], shown[i]) in found ? found[rows[r], shown[i]] \
                    : expected[rows[r], shown[i]]
                line = line " " value " |"
            }
            print line > out
        }
        for (i = end; i <= lines; i++) print document[i] > out
    }
    for (i = 1; i <= asked; i++) {
        kernel = order[i]
        for (r = 1; r <= tried; r++) {
            kind = rows[r]
            here = found[kind, kernel]
            # A cell that is not committed yet says nothing.
            if (!write && expected[kind, kernel] != "" && here != expected[kind, kernel])
                complain(kernel " " kind ": found \"" here "\", docs/kernels.md says \"" \
                    expected[kind, kernel] "\"")
        }
        for (r = 1; r <= known; r++)
            if (!write && expected[kinds[r], kernel] != "" && !((kinds[r], kernel) in found))
                complain(kernel " " kinds[r] ": not tried")
    }
    for (pair in missing) {
        split(pair, part, SUBSEP)
        if (found[part[1], part[2]] ~ /^works/)
            complain(part[2] ": tests of " part[1] " were skipped, and it works")
    }
    # For people.
    printf "%-16s", "kind"
    for (i = 1; i <= asked; i++) printf " %-30s", order[i]
    print ""
    for (r = 1; r <= tried; r++) {
        printf "%-16s", rows[r]
        for (i = 1; i <= asked; i++) printf " %-30s", substr(found[rows[r], order[i]], 1, 30)
        print ""
    }
    exit status
}
