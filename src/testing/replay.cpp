#include <weft/testing/replay.hpp>
#include <weft/testing/virtual_clock.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <fstream>
#include <ostream>
#include <sstream>

namespace weft {
inline namespace v0 {
namespace testing {

namespace {

[[noreturn]] void refuse(std::string const& what) { throw misuse(misuse::code::bad_value, "not an exported journal: " + what); }

boost::json::value json_or_null(std::string const& text) { return text.empty() ? boost::json::value() : detail::parse_json(text); }

// Whether the result is the same but for members that structs have got since.
bool agrees(boost::json::value const& recorded, boost::json::value const& now)
{
    if (recorded.is_object() && now.is_object())
        return std::all_of(recorded.get_object().begin(), recorded.get_object().end(), [&](auto const& member) {
            auto const* const found = now.get_object().if_contains(member.key());
            return found && agrees(member.value(), *found);
        });
    if (recorded.is_array() && now.is_array())
        return std::equal(recorded.get_array().begin(), recorded.get_array().end(), now.get_array().begin(), now.get_array().end(), agrees);
    return recorded == now;
}

std::string text_or_empty(boost::json::value const& v) { return v.is_null() ? std::string() : boost::json::serialize(v); }

std::size_t entries_in(std::string const& part)
{
    auto const  document = detail::parse_json(part);
    auto const* object = document.if_object();
    auto const* journal = object ? object->if_contains("journal") : nullptr;
    if (!journal || !journal->is_array())
        refuse("a part of it has no array \"journal\"");
    return journal->get_array().size();
}

// One transaction, as it was before its decision, for one engine to claim. What the engine makes of it ends the replay.
class one_transaction final : public store
{
public:
    explicit one_transaction(transaction recorded) : row_(std::move(recorded)) { }

    std::optional<replay_result::verdict> verdict;
    std::string                           report;
    extend_write::decision                decided = extend_write::decision::none;
    std::string                           text, details;

    void ends(replay_result::verdict v, std::string r)
    {
        if (verdict)
            return;
        verdict = v;
        report = std::move(r);
    }

    std::vector<write_result> apply(std::span<write const> writes, bool) override
    {
        for (auto const& w : writes)
            if (auto const* e = std::get_if<extend_write>(&w))
                extend(*e);
            else if (auto const* p = std::get_if<park_write>(&w))
                ends(p->paused_reason.empty() ? replay_result::verdict::threw : replay_result::verdict::mismatch,
                     p->paused_reason.empty() ? p->last_error : p->paused_reason);
        return std::vector<write_result>(writes.size(), write_result{written::fenced, {}, {}});
    }
    claimed claim(std::string const& engine, std::span<std::string const>, std::size_t, bool) override
    {
        claimed c;
        if (std::exchange(taken_, true))
            return c;
        row_.owner = engine;
        row_.attempts = 1;
        c.rows.push_back(row_);
        return c;
    }
    void                       register_engine(std::string const&, std::span<std::string const>) override { }
    beaten                     beat(std::string const&, std::span<std::string const>) override { return {.alive = true}; }
    void                       unregister_engine(std::string const&) override { }
    bool                       bury(std::string const&, std::int64_t) override { return false; }
    released                   release_dead(std::size_t) override { return {}; }
    std::vector<std::string>   cancel_requests(std::string const&) override { return {}; }
    std::uint64_t              version() override { return 1; }
    std::optional<transaction> find(std::string_view, bool) override { return row_; }
    std::vector<transaction>   list(list_filter const&) override { return {row_}; }
    made_due                   make_due(std::chrono::milliseconds, std::size_t) override { return {}; }
    std::size_t                purge(std::chrono::milliseconds, std::size_t) override { return 0; }
    std::vector<kv_row>        kv(std::string_view, std::string_view, std::int64_t, std::size_t) override { return {}; }
    bool                       put_kv(std::string_view, std::string_view, std::string_view, std::int64_t) override { return false; }
    bool                       remove_kv(std::string_view, std::string_view) override { return false; }
    bool                       mark(std::string const&, bool) override { return false; }
    std::string                id() override { return std::string(32, '0'); }
    std::string                describe() const override { return "one recorded transaction"; }

private:
    void extend(extend_write const& e)
    {
        if (e.decide != extend_write::decision::none)
        {
            decided = e.decide;
            text = e.text;
            details = e.details;
            return ends(replay_result::verdict::complete, {});
        }
        // An intent: the body wants more than the journal has.
        auto const  text_of_entries = e.entries.starts_with(',') ? e.entries.substr(1) : e.entries;
        auto const  entries = detail::parse_json('[' + text_of_entries + ']').as_array();
        auto const& intent = entries.back().as_object();
        auto        what = "branch " + std::string(intent.at("id").as_string());
        if (intent.contains("name"))
            what += ", " + std::string(intent.at("verb").as_string()) + " \"" + std::string(intent.at("name").as_string()) + '"';
        ends(replay_result::verdict::asks_for_more, what);
    }

    transaction row_;
    bool        taken_ = false;
};

class nobody final : public detail::participants
{
public:
    explicit nobody(one_transaction& s) : store_(s) { }
    bool wants(branch const& where) override
    {
        store_.ends(replay_result::verdict::asks_for_more, "branch " + where.id + " \"" + where.name + '"');
        return true;
    }
    void perform(operation_call call, std::function<void(operation_call)>) override
    {
        std::move(call).answer(outcome::ongoing("nothing is sent in a replay"));
    }

private:
    one_transaction& store_;
};

}  // namespace

std::string export_journal(transaction const& t)
{
    boost::json::object o;
    o["gid"] = t.gid;
    o["workflow"] = t.workflow;
    o["status"] = to_string(t.status);
    o["created"] = std::chrono::duration_cast<std::chrono::milliseconds>(t.created.time_since_epoch()).count();
    o["input"] = json_or_null(t.input);
    o["result"] = json_or_null(t.result);
    o["reason"] = t.reason;
    auto& parts = o["parts"].emplace_array();
    for (auto const& p : t.parts)
        parts.push_back(detail::parse_json(p));
    o["journal"] = detail::parse_json(t.journal);

    // One entry a line: made to be read, and to be compared by git.
    std::string text;
    for (auto const& [key, value] : o)
    {
        text += text.empty() ? "{\n" : ",\n";
        text += boost::json::serialize(boost::json::string(key)) + ": ";
        auto const* object = value.if_object();
        if (key != "journal" || !object)
        {
            text += boost::json::serialize(value);
            continue;
        }
        text += '{';
        for (auto const& [inner, content] : *object)
        {
            text += (text.back() == '{' ? "" : ",") + boost::json::serialize(boost::json::string(inner)) + ':';
            if (!content.is_array())
            {
                text += boost::json::serialize(content);
                continue;
            }
            text += '[';
            for (auto const& e : content.get_array())
                text += (text.back() == '[' ? "\n  " : ",\n  ") + boost::json::serialize(e);
            text += ']';
        }
        text += '}';
    }
    return text + "\n}\n";
}

transaction import_journal(std::string_view document)
{
    while (!document.empty() && (document.back() == '\n' || document.back() == '\r' || document.back() == ' '))
        document.remove_suffix(1);
    auto const  value = detail::parse_json(document);
    auto const* o = value.if_object();
    if (!o)
        refuse("not an object");
    auto const member = [&](char const* key) -> boost::json::value const& {
        auto const* v = o->if_contains(key);
        if (!v)
            refuse("\"" + std::string(key) + "\" is missing");
        return *v;
    };
    auto const text = [&](char const* key) {
        auto const& v = member(key);
        if (!v.is_string())
            refuse("\"" + std::string(key) + "\" is no text");
        return std::string(v.get_string());
    };
    transaction t;
    t.gid = text("gid");
    t.trans_type = "workflow";
    t.workflow = text("workflow");
    auto const s = status_from(text("status"));
    if (!s)
        refuse("unknown status");
    t.status = *s;
    if (!member("created").is_int64() || !member("parts").is_array())
        refuse("\"created\" is a number and \"parts\" an array");
    t.created = std::chrono::system_clock::time_point(std::chrono::milliseconds(member("created").get_int64()));
    t.input = text_or_empty(member("input"));
    t.result = text_or_empty(member("result"));
    t.reason = text("reason");
    t.journal = boost::json::serialize(member("journal"));
    auto entries = entries_in(t.journal);
    for (auto const& p : member("parts").get_array())
        entries += entries_in(t.parts.emplace_back(boost::json::serialize(p)));
    t.position = static_cast<std::int64_t>(entries) + (t.status == status::prepared ? 0 : is_final(t.status) ? 2 : 1);
    return t;
}

transaction import_journal_file(std::filesystem::path const& file)
{
    std::ifstream     in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (!in)
        throw misuse(misuse::code::bad_value, file.string() + " cannot be read");
    return import_journal(text.str());
}

replay_result replay_transaction(transaction recorded, std::function<void(engine&)> add)
{
    using verdict = replay_result::verdict;
    replay_result result;
    result.status = recorded.status;

    // As it was before the decision: what is asked of the body is that it comes to the same one.
    auto before = recorded;
    before.position -= recorded.status == status::prepared ? 0 : is_final(recorded.status) ? 2 : 1;
    before.status = status::prepared;
    before.cancel_requested = false;
    before.paused_reason.clear();

    boost::asio::io_context io{1};
    one_transaction         store(std::move(before));
    {
        engine_options options;
        options.clock = std::make_shared<virtual_clock>();
        options.store_executor = io.get_executor();
        options.participants = std::make_shared<nobody>(store);
        options.seed = 1;
        engine e(io, store, std::move(options));
        add(e);
        e.run([](std::exception_ptr) {});
        // Time stands still: everything that matters happens at once.
        while (!store.verdict && io.poll_one() > 0)
        { }
    }
    if (!store.verdict)
        throw misuse(misuse::code::wrong_call, "the workflow does not get anywhere");

    result.what = *store.verdict;
    result.report = std::move(store.report);
    bool const commits = store.decided == extend_write::decision::commit;
    if (result.what == verdict::complete && recorded.status != status::prepared)
    {
        bool const committed = recorded.status == status::submitted || recorded.status == status::succeed;
        if (commits != committed)
        {
            result.what = verdict::another_end;
            result.report = std::string("it was recorded as ") + (committed ? "committed" : "rolled back") + ", the workflow now " +
                            (commits ? "commits" : "rolls back");
        }
        else if (commits ? !agrees(json_or_null(recorded.result), json_or_null(store.text))
                         : store.text != recorded.reason || !agrees(json_or_null(recorded.result), json_or_null(store.details)))
        {
            result.what = verdict::another_end;
            result.report = commits ? "the workflow now returns another result" : "the workflow now rolls back for another reason";
        }
    }
    return result;
}

std::ostream& operator<<(std::ostream& out, replay_result const& r)
{
    switch (r.what)
    {
    case replay_result::verdict::complete:
        out << "complete";
        break;
    case replay_result::verdict::asks_for_more:
        out << "asks for more: ";
        break;
    case replay_result::verdict::mismatch:
        out << "mismatch: ";
        break;
    case replay_result::verdict::another_end:
        out << "another end: ";
        break;
    case replay_result::verdict::threw:
        out << "threw: ";
        break;
    }
    return out << r.report << (r.matches() ? "" : " (transaction " + std::string(to_string(r.status)) + ")");
}

}  // namespace testing
}  // namespace v0
}  // namespace weft
