#include "workflow/program/journal.hpp"

#include <weft/detail/fault.hpp>

#include <boost/json/monotonic_resource.hpp>

#include <charconv>

namespace weft {
inline namespace v0 {

namespace {

void append_number(std::string& out, std::int64_t n)
{
    char       room[24];
    auto const end = std::to_chars(room, room + sizeof room, n).ptr;
    out.append(room, end);
}

void append_hex(std::string& out, std::uint64_t n)
{
    char room[16];
    for (int i = 15; i >= 0; --i, n >>= 4)
        room[i] = "0123456789abcdef"[n & 15];
    out.append(room, 16);
}

std::string_view text_of(boost::json::object const& o, std::string_view key)
{
    auto const* v = o.if_contains(key);
    if (!v || !v->is_string())
        throw journal_error("an entry has no \"" + std::string(key) + "\"");
    return v->get_string();
}

std::int64_t number_of(boost::json::object const& o, std::string_view key, std::int64_t otherwise)
{
    auto const* v = o.if_contains(key);
    if (!v)
        return otherwise;
    if (!v->is_int64())
        throw journal_error("\"" + std::string(key) + "\" is not a whole number");
    return v->get_int64();
}

operation operation_in(std::string_view text)
{
    for (auto op : {operation::action, operation::compensate, operation::try_, operation::confirm, operation::cancel, operation::commit,
                    operation::rollback})
        if (to_string(op) == text)
            return op;
    throw journal_error("unknown operation \"" + std::string(text) + "\"");
}

detail::verb verb_from(std::string_view text)
{
    using detail::verb;
    for (auto v : {verb::step, verb::saga, verb::tcc, verb::xa})
        if (detail::to_string(v) == text)
            return v;
    throw journal_error("unknown verb \"" + std::string(text) + "\"");
}

class reader
{
public:
    explicit reader(recorded_journal& to) : to_(to) { }

    void part(std::string_view text, std::string const& where)
    {
        auto const& document = to_.documents.emplace_back(parsed(text, where));
        auto const* object = document.if_object();
        auto const* entries = object ? object->if_contains("journal") : nullptr;
        if (!entries || !entries->is_array())
            throw journal_error(where + " is not an object with an array \"journal\"");
        to_.parts = static_cast<std::uint32_t>(number_of(*object, "parts", 0));
        to_.sealed_entries = static_cast<std::uint64_t>(number_of(*object, "entries", 0));
        if ((to_.sealed_entries != to_.entries || to_.parts != seen_) && !detail::fault(detail::planted::seal_count))
            throw journal_error(where + " follows " + std::to_string(to_.parts) + " parts with " + std::to_string(to_.sealed_entries) +
                                " entries, but " + std::to_string(seen_) + " parts with " + std::to_string(to_.entries) +
                                " entries are there");
        for (auto const& e : entries->get_array())
            try
            {
                if (!e.is_object())
                    throw journal_error("not an object");
                read_entry(e.get_object());
                ++to_.entries;
            }
            catch (journal_error const& wrong)
            {
                throw journal_error(where + ", entry " + std::to_string(to_.entries + 1) + ": " + wrong.what());
            }
        to_.open_entries = static_cast<std::uint32_t>(entries->get_array().size());
        ++seen_;
    }

private:
    static boost::json::value parsed(std::string_view text, std::string const& where)
    {
        try
        {
            return detail::parse_json(text, boost::json::make_shared_resource<boost::json::monotonic_resource>(text.size() * 2 + 256));
        }
        catch (misuse const& e)
        {
            throw journal_error(where + " is " + e.what());
        }
    }

    void read_entry(boost::json::object const& o)
    {
        std::string const id(text_of(o, "id"));
        auto const        op = operation_in(text_of(o, "op"));
        auto const        state = text_of(o, "status");
        auto const        known = to_.index.find(id);
        if (is_undo(op) || op == operation::confirm || op == operation::commit)
        {
            if (known == to_.index.end())
                throw journal_error("phase 2 of a branch " + id + " that was never begun");
            auto& b = to_.branches[known->second];
            b.second = state == "succeed" ? recorded_branch::phase2::done : recorded_branch::phase2::refused;
            if (state == "failed")
                b.refusal = text_of(o, "reason");
            to_.last_at = number_of(o, "at", to_.last_at);
            return;
        }
        if (known == to_.index.end())
        {
            to_.index.emplace(id, to_.branches.size());
            auto& b = to_.branches.emplace_back();
            b.id = id;
            b.what = verb_from(text_of(o, "verb"));
            b.name = text_of(o, "name");
            if (auto const* args = o.if_contains("args"))
            {
                b.has_arguments = true;
                auto const& hex = args->as_string();
                std::from_chars(hex.data(), hex.data() + hex.size(), b.arguments, 16);
            }
        }
        auto const at = known == to_.index.end() ? to_.branches.size() - 1 : known->second;
        auto&      b = to_.branches[at];
        b.send = static_cast<unsigned>(number_of(o, "send", b.send));
        b.at = to_.last_at = number_of(o, "at", to_.last_at);
        if (state == "succeed")
        {
            b.is = recorded_branch::state::succeeded;
            b.data = o.if_contains("data");
        }
        else if (state == "failed")
        {
            b.is = recorded_branch::state::failed;
            b.reason = text_of(o, "reason");
            if (auto const* details = o.if_contains("details"))
                detail::append_json(b.details, *details);
            b.maybe = o.contains("maybe");
        }
        else if (state != "prepared")
            throw journal_error("unknown status \"" + std::string(state) + "\"");
        if (state != "prepared")
            to_.outcomes.push_back(static_cast<std::uint32_t>(at));
    }

    recorded_journal& to_;
    std::uint32_t     seen_ = 0;
};

}  // namespace

void append_entry(std::string& out, entry const& e)
{
    out += R"({"id":")";
    out += e.id;
    if (e.call)
    {
        out += R"(","verb":")";
        out += detail::to_string(e.call->what);
    }
    out += R"(","op":")";
    out += to_string(e.op);
    out += '"';
    if (e.call)
    {
        out += R"(,"name":)";
        detail::append_json_string(out, e.call->name);
        if (e.call->has_arguments)
        {
            out += R"(,"args":")";
            append_hex(out, e.call->arguments);
            out += '"';
        }
    }
    if (e.send > 1)
    {
        out += R"(,"send":)";
        append_number(out, e.send);
    }
    out += R"(,"at":)";
    append_number(out, e.at);
    if (!e.ended)
        out += R"(,"status":"prepared"})";
    else if (e.ended->what == outcome::kind::success)
    {
        out += R"(,"status":"succeed")";
        if (!e.ended->text.empty())
        {
            out += R"(,"data":)";
            out += e.ended->text;
        }
        out += '}';
    }
    else
    {
        out += R"(,"status":"failed","reason":)";
        detail::append_json_string(out, e.ended->text);
        if (!e.ended->details.empty())
        {
            out += R"(,"details":)";
            out += e.ended->details;
        }
        out += e.maybe ? R"(,"maybe":true})" : "}";
    }
}

std::string journal_after_sealing(std::uint32_t parts, std::uint64_t entries)
{
    return R"({"parts":)" + std::to_string(parts) + R"(,"entries":)" + std::to_string(entries) + R"(,"journal":[]})";
}

recorded_journal read_journal(transaction const& row)
{
    recorded_journal journal;
    if (row.journal == empty_journal && row.parts.empty())
        return journal;
    reader r(journal);
    for (std::size_t i = 0; i < row.parts.size(); ++i)
        r.part(row.parts[i], "journal part " + std::to_string(i + 1));
    r.part(row.journal, "ext_data");
    return journal;
}

std::int64_t position_of(std::uint64_t entries, status s) noexcept
{
    return static_cast<std::int64_t>(entries) + (s == status::prepared ? 0 : is_final(s) ? 2 : 1);
}

}  // namespace v0
}  // namespace weft
