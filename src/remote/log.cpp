#include "src/remote/log.hpp"

#include "src/store/rules/row.hpp"

#include <weft/detail/codec.hpp>
#include <weft/errors.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

namespace weft {
inline namespace v0 {
namespace remote_detail {

namespace {

constexpr std::string_view name_of_rows = "journal-";

constexpr std::array<std::string_view, 7> record_types = {"claim", "extend", "input", "pause", "cancel", "resume", "part"};

std::string_view to_string(record_type d) { return record_types[static_cast<std::size_t>(d)]; }

record_type record_type_of(std::string_view word)
{
    return static_cast<record_type>(std::find(record_types.begin(), record_types.end(), word) -
                                    record_types.begin());  // `unknown` stands behind the last
}

std::uint64_t number_of(boost::json::object const& o, char const* name)
{
    auto const* const         v = o.if_contains(name);
    boost::system::error_code no_number;
    auto const                n = v ? v->to_number<std::uint64_t>(no_number) : 0;
    return no_number ? 0 : n;
}

boost::json::object parsed(std::string_view text)
{
    boost::system::error_code failed;
    auto                      v = boost::json::parse(boost::json::string_view(text.data(), text.size()), failed);
    return failed || !v.is_object() ? boost::json::object() : std::move(v.get_object());
}

std::string with_head(boost::json::object const& head, std::string_view body)
{
    auto all = boost::json::serialize(head);
    all += '\n';
    all += body;
    return all;
}

boost::json::object head_of(std::string_view data) { return parsed(data.substr(0, data.find('\n'))); }

std::string_view body_of(std::string_view data)
{
    auto const line = data.find('\n');
    return line == std::string_view::npos ? std::string_view() : data.substr(line + 1);
}

// At most so many bytes, and no character cut in two.
std::string_view piece_of(std::string_view text)
{
    if (text.size() <= row_limit)
        return text;
    auto end = row_limit;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u)
        --end;
    return text.substr(0, end);
}

std::chrono::system_clock::time_point time_of(std::int64_t ms)
{
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(ms));
}

// What a coordinator calls failed or succeeded has ended, whatever its log says.
void apply_end(boost::json::object const& t, transaction& row)
{
    auto const said = status_from(text_of(t, "status"));
    if (!said)
        throw store_error("the coordinator gives \"" + row.gid + "\" a status that dtm does not have");
    if (!is_final(*said))
        return;
    row.paused_reason.clear();
    row.position += row.status == status::prepared ? 2 : 1;  // the decision and the end
    if (*said == status::succeed && row.status != status::submitted)
        try
        {
            row.result = from_base64(text_of(t, "result"));
        }
        catch (misuse const&)
        {
            row.result.clear();  // another client's; this one's is base64
        }
    if (*said == status::failed && row.status != status::aborting)
        row.reason = text_of(t, "rollback_reason").empty() ? "stopped at its coordinator" : text_of(t, "rollback_reason");
    row.status = *said;
}

class reader
{
public:
    explicit reader(seen& s) : s_(s) { }

    void row(std::string_view data)
    {
        auto const head = head_of(data);
        auto const does = record_type_of(text_of(head, "does"));
        if (does == record_type::cancel || does == record_type::resume)
            return request(does);
        s_.by = text_of(head, "by");
        if (does == record_type::part)
            return part(head, body_of(data));
        forget_parts();
        apply(head, does, body_of(data));
    }

private:
    void request(record_type does)
    {
        auto const what = does == record_type::cancel ? request_write::kind::cancel : request_write::kind::resume;
        row_rules::request(s_.row, {s_.row.gid, what}, false, s_.row.due);
    }

    // Parts that nobody has ended are as if they were not there: somebody else has gone on.
    void part(boost::json::object const& head, std::string_view body)
    {
        auto const number = number_of(head, "number");
        if (number == 1 || s_.by != part_by_ || number != part_count_ + 1)
            forget_parts();
        part_by_ = s_.by;
        part_count_ = number;
        part_ += body;
        if (number == number_of(head, "of"))
        {
            auto const whole = std::exchange(part_, {});
            row(whole);
        }
    }

    void forget_parts()
    {
        part_.clear();
        part_by_.clear();
        part_count_ = 0;
    }

    void apply(boost::json::object const& head, record_type does, std::string_view body)
    {
        auto& row = s_.row;
        switch (does)
        {
        case record_type::claim:
            row.paused_reason.clear();
            ++row.attempts;
            return;
        case record_type::extend:
            row.paused_reason.clear();
            extend(read_row(head, body));
            return;
        case record_type::input:
            row.input = body;
            s_.whole = true;
            return;
        case record_type::pause:
            if (row.cancel_requested && row.status == status::prepared && number_of(head, "despite") == 0)
                return;  // it rolls back instead
            row.paused_reason = row.last_error = text_of(head, "text");
            row.attempts = 0;
            return;
        default:
            s_.readable = false;
        }
    }

    void extend(log_row r)
    {
        auto& w = r.extends;
        w.gid = s_.row.gid;
        w.position = s_.row.position;
        join(w, s_.row);
        row_rules::extend(s_.row, w, false, s_.row.updated);
    }

    static log_row read_row(boost::json::object const& head, std::string_view body);
    static void    join(extend_write& w, transaction const& row)
    {
        bool const first = w.seal_part > 0 || row.journal.ends_with(":[]}");
        if (!first && !w.entries.empty())
            w.entries.insert(w.entries.begin(), ',');
    }
    friend log_row remote_detail::read_row(std::string_view data);

    seen&         s_;
    std::string   part_, part_by_;
    std::uint64_t part_count_ = 0;
};

log_row reader::read_row(boost::json::object const& head, std::string_view body)
{
    log_row r;
    r.does = record_type_of(text_of(head, "does"));
    r.by = text_of(head, "by");
    r.text = r.does == record_type::input ? std::string(body) : text_of(head, "text");
    if (r.does != record_type::extend)
        return r;
    r.extends.entries = body;
    r.extends.entry_count = static_cast<std::uint32_t>(number_of(head, "count"));
    r.extends.seal_part = static_cast<std::uint32_t>(number_of(head, "seal"));
    r.extends.seal_entries = number_of(head, "sealed");
    r.extends.text = std::exchange(r.text, {});
    r.extends.details = text_of(head, "details");
    r.extends.sent_again = number_of(head, "again") > 0;
    if (auto const decided = text_of(head, "decide"); !decided.empty())
        r.extends.decide = decided == "commit" ? extend_write::decision::commit : extend_write::decision::roll_back;
    return r;
}

}  // namespace

std::string row_name(std::uint64_t number) { return std::string(name_of_rows) + std::to_string(number); }

log_row read_row(std::string_view data) { return reader::read_row(head_of(data), body_of(data)); }

std::vector<std::string> written(log_row const& r)
{
    boost::json::object head;
    if (!r.by.empty())
        head["by"] = r.by;
    head["does"] = to_string(r.does);
    std::string_view body;
    switch (r.does)
    {
    case record_type::extend:
    {
        auto const& w = r.extends;
        body = w.entries;
        if (body.starts_with(','))
            body.remove_prefix(1);
        if (w.entry_count > 0)
            head["count"] = w.entry_count;
        if (w.sent_again)
            head["again"] = 1;
        if (w.seal_part > 0)
        {
            head["seal"] = w.seal_part;
            head["sealed"] = w.seal_entries;
        }
        if (w.decide != extend_write::decision::none)
        {
            head["decide"] = w.decide == extend_write::decision::commit ? "commit" : "roll_back";
            head["text"] = w.text;
            if (!w.details.empty())
                head["details"] = w.details;
        }
        break;
    }
    case record_type::input:
        body = r.text;
        break;
    default:
        if (!r.text.empty())
            head["text"] = r.text;
        if (r.despite_cancel)
            head["despite"] = 1;
    }
    auto all = with_head(head, body);
    if (all.size() <= row_limit)
        return {std::move(all)};

    std::vector<std::string_view> pieces;
    for (std::string_view rest = all; !rest.empty(); rest.remove_prefix(pieces.back().size()))
        pieces.push_back(piece_of(rest));
    std::vector<std::string> rows;
    for (auto const piece : pieces)
    {
        boost::json::object part;
        part["by"] = r.by;
        part["does"] = to_string(record_type::part);
        part["number"] = rows.size() + 1;
        part["of"] = pieces.size();
        rows.push_back(with_head(part, piece));
    }
    return rows;
}

creation creation::read(std::string_view custom_data)
{
    auto const o = parsed(custom_data);
    creation   c;
    c.name = text_of(o, "name");
    c.token = text_of(o, "by");
    c.at = time_of(static_cast<std::int64_t>(number_of(o, "at")));
    c.apart = number_of(o, "apart") > 0;
    if (!c.token.empty())
        try
        {
            c.input = from_base64(text_of(o, "data"));
        }
        catch (misuse const&)
        {
            c.token.clear();
        }
    return c;
}

std::string creation::text() const
{
    boost::json::object o;
    o["name"] = name;
    o["data"] = apart ? std::string() : to_base64(input);
    o["by"] = token;
    o["at"] = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
    if (apart)
        o["apart"] = 1;
    return boost::json::serialize(o);
}

std::vector<raw_row> rows_of(boost::json::array const& branches)
{
    std::vector<raw_row> rows;
    for (auto const& b : branches)
    {
        auto const* const o = b.if_object();
        auto const        op = o ? text_of(*o, "op") : std::string();
        if (!op.starts_with(name_of_rows))
            continue;
        raw_row    r;
        auto const digits = std::string_view(op).substr(name_of_rows.size());
        auto const read = std::from_chars(digits.data(), digits.data() + digits.size(), r.number);
        if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size())
            continue;
        try
        {
            r.data = from_base64(text_of(*o, "bin_data"));
        }
        catch (misuse const&)
        { }  // a row of no kind
        rows.push_back(std::move(r));
    }
    std::sort(rows.begin(), rows.end(), [](auto const& a, auto const& b) { return a.number < b.number; });
    return rows;
}

seen read_transaction(boost::json::object const& t, boost::json::array const& branches)
{
    seen       s;
    auto const custom_data = text_of(t, "custom_data");
    auto       c = creation::read(custom_data);
    s.token = c.token;
    s.whole = !c.apart;
    auto& row = s.row;
    row.id = static_cast<std::int64_t>(number_of(t, "id"));
    row.gid = text_of(t, "gid");
    row.trans_type = text_of(t, "trans_type");
    row.workflow = std::move(c.name);
    row.input = std::move(c.input);
    row.journal = R"({"journal":[]})";
    row.created = row.updated = row.due = c.at;
    row.query_prepared = text_of(t, "query_prepared");
    row.protocol = text_of(t, "protocol");
    row.custom_data = custom_data;
    reader read(s);
    for (auto const& r : rows_of(branches))
    {
        if (r.number != s.rows)
            throw store_error("the coordinator has lost row " + std::to_string(s.rows) + " of the journal of \"" + row.gid + "\"");
        ++s.rows;
        read.row(r.data);
    }
    apply_end(t, row);
    return s;
}

std::optional<seen> seen_in(coordinator_reply const& reply, char const* branches)
{
    auto const* const t = reply.object("transaction");
    if (!t)
        return std::nullopt;
    return read_transaction(*t, reply.array(branches));
}

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
