#include "tests/simulation/write_log.hpp"

#include <chrono>
#include <utility>

namespace simulation {

namespace {

// Builds a line: its first word, then what is not as usual.
class line
{
public:
    explicit line(std::string first) : text_(std::move(first)) { }

    line& add(char const* name, std::string_view value)
    {
        if (!value.empty())
            text_.append(" ").append(name).append("=").append(value);
        return *this;
    }
    line& add(char const* name, std::int64_t value) { return value == 0 ? *this : add(name, std::string_view(std::to_string(value))); }
    line& add(char const* name, std::chrono::milliseconds value) { return add(name, static_cast<std::int64_t>(value.count())); }
    line& add(char const* name, bool value) { return value ? add(name, std::string_view("yes")) : *this; }
    line& add(char const* name, std::chrono::system_clock::time_point value)
    {
        return add(name, std::chrono::duration_cast<std::chrono::milliseconds>(value.time_since_epoch()));
    }

    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

void add(line& l, std::vector<weft::branch_op> const& ops)
{
    for (auto const& op : ops)
        l.add("op", op.branch_id + '/' + op.op + '/' + op.url + '/' + op.data + '/' + std::string(to_string(op.status)));
}

std::string words(weft::create_write const& w)
{
    line l("create");
    l.add("gid", w.gid).add("type", w.trans_type).add("workflow", w.workflow).add("owner", w.owner).add("input", w.input);
    l.add("status", to_string(w.status)).add("query", w.query_prepared).add("options", w.options).add("custom", w.custom_data);
    l.add("due_in", w.due_in);
    add(l, w.ops);
    return l.take();
}

std::string words(weft::extend_write const& w)
{
    using decision = weft::extend_write::decision;
    line l("extend");
    l.add("gid", w.gid).add("owner", w.owner).add("position", w.position).add("count", static_cast<std::int64_t>(w.entry_count));
    l.add("entries", w.entries);
    l.add("decide", std::string_view(w.decide == decision::commit ? "commit" : w.decide == decision::roll_back ? "roll_back" : ""));
    l.add("finish", w.finish).add("commits", w.commits).add("text", w.text).add("details", w.details).add("sent_again", w.sent_again);
    l.add("seal_part", static_cast<std::int64_t>(w.seal_part)).add("seal_entries", static_cast<std::int64_t>(w.seal_entries));
    return l.take();
}

std::string words(weft::park_write const& w)
{
    line l("park");
    l.add("gid", w.gid).add("owner", w.owner).add("position", w.position).add("due_in", w.due_in).add("interval", w.interval);
    l.add("sends", static_cast<std::int64_t>(w.sends)).add("keep_attempts", w.keep_attempts).add("paused", w.paused_reason);
    l.add("error", w.last_error).add("despite_cancel", w.despite_cancel);
    return l.take();
}

std::string words(weft::record_write const& w)
{
    line l("record");
    l.add("gid", w.gid).add("owner", w.owner).add("position", w.position);
    for (auto const& e : w.entries)
        l.add("entry", e.branch_id + '/' + e.op + '/' + std::string(to_string(e.status)));
    if (w.to)
        l.add("to", to_string(*w.to));
    l.add("reason", w.reason);
    return l.take();
}

std::string words(weft::register_write const& w)
{
    line l("register");
    l.add("gid", w.gid).add("type", w.trans_type);
    add(l, w.ops);
    return l.take();
}

std::string words(weft::decide_write const& w)
{
    line l("decide");
    l.add("gid", w.gid).add("type", w.trans_type);
    for (auto const from : w.from)
        l.add("from", to_string(from));
    l.add("to", to_string(w.to)).add("owner", w.owner).add("reason", w.reason).add("result", w.result);
    l.add("options", w.options.value_or("")).add("custom", w.custom_data.value_or(""));
    return l.take();
}

std::string words(weft::request_write const& w)
{
    return line(w.what == weft::request_write::kind::cancel ? "cancel" : "resume").add("gid", w.gid).take();
}

std::string words(weft::local_write const&) { return "local"; }

std::string result_in_words(weft::write_result const& r)
{
    static constexpr char const* names[] = {"done",     "exists",      "fenced",     "cancel_requested",
                                            "too_late", "unknown_gid", "wrong_type", "refused"};
    return line(names[static_cast<std::size_t>(r.what)]).add("why", r.why).take();
}

}  // namespace

std::string in_words(weft::write const& w)
{
    return std::visit([](auto const& one) { return words(one); }, w);
}

std::string in_words(weft::transaction const& t)
{
    line l("row");
    l.add("gid", t.gid).add("type", t.trans_type).add("workflow", t.workflow).add("status", to_string(t.status)).add("owner", t.owner);
    l.add("position", t.position).add("attempts", static_cast<std::int64_t>(t.attempts)).add("sends", static_cast<std::int64_t>(t.sends));
    l.add("result", t.result).add("reason", t.reason).add("error", t.last_error).add("paused", t.paused_reason);
    l.add("cancel", t.cancel_requested).add("created", t.created).add("due", t.due).add("interval", t.interval).add("input", t.input);
    add(l, t.ops);
    auto text = l.take() + '\n';
    for (auto const& part : t.parts)
        text += "  part " + part + '\n';
    return text + "  journal " + t.journal + '\n';
}

void write_log::lines::add(std::string const& line)
{
    ++writes;
    for (auto const c : line)
        digest = (digest ^ static_cast<unsigned char>(c)) * 1099511628211u;
    if (keep)
        text += line + '\n';
}

std::vector<weft::write_result> write_log::apply(std::span<weft::write const> w, bool repeated)
{
    auto results = forwarding_store::apply(w, repeated);
    for (std::size_t i = 0; i < w.size(); ++i)
        to_->add((repeated ? "repeated " : "") + in_words(w[i]) + " -> " + result_in_words(results[i]));
    return results;
}

}  // namespace simulation
