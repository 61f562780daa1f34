#include "workflow/engine/requests.hpp"

#include <weft/detail/option.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

requests::requests(engine_context& e, incarnation& me, running const& here, claims& c, callers& writes,
                   pattern_requests& patterns)
    : context_(e)
    , incarnation_(me)
    , running_(here)
    , claims_(c)
    , callers_(writes)
    , patterns_(patterns)
{ }

// ------------------------------------------------------------------------------------------------
// questions

void requests::query(std::string gid, done<std::optional<transaction>> answer)
{
    context_.on_store(
        lane::reads, [this, gid = std::move(gid)] { return context_.store().find(gid, true); },
        [answer = std::move(answer)](std::exception_ptr error, std::optional<transaction> row) mutable {
            answer->complete(error, std::move(row));
        });
}

void requests::list(list_filter filter, done<std::vector<transaction>> answer)
{
    context_.on_store(
        lane::questions, [this, filter = std::move(filter)] { return context_.store().list(filter); },
        [answer = std::move(answer)](std::exception_ptr error, std::vector<transaction> rows) mutable {
            answer->complete(error, std::move(rows));
        });
}

void requests::purge(std::chrono::milliseconds older_than, std::size_t limit, done<std::size_t> answer)
{
    if (limit == 0)
    {
        misuse const wrong(misuse::code::bad_value, "purge: a limit of 0 removes nothing");
        return answer->complete(std::make_exception_ptr(wrong), {});
    }
    auto const age = std::max(bounded_as(older_than), std::chrono::milliseconds(0));
    context_.on_store(
        lane::questions, [this, age, limit] { return context_.store().purge(age, limit); },
        [answer = std::move(answer)](std::exception_ptr error, std::size_t removed) mutable {
            answer->complete(error, std::move(removed));
        });
}

// ------------------------------------------------------------------------------------------------
// to resume

void requests::ask_for(std::string const& gid, request_write::kind what, asking::then then)
{
    auto make = [gid, what] { return write(request_write{gid, what}); };
    callers_.ask(gid, gid.size(), std::move(make), std::move(then));
}

void requests::resume(std::string gid, done<std::monostate> answer)
{
    auto shared = std::make_shared<done<std::monostate>>(std::move(answer));
    auto then = [this, gid, shared](std::exception_ptr error, write_result const& r) {
        if (!error && r.what == written::unknown_gid)
            error = std::make_exception_ptr(
                misuse(misuse::code::unknown_gid, "there is no such transaction", gid));
        if (!error && r.what == written::refused)
            error = refused_by_store(r);
        (*shared)->complete(error, {});
        claims_.claim();
    };
    ask_for(gid, request_write::kind::resume, std::move(then));
}

// Page by page, from the newest on: what comes meanwhile, or pauses again, is not met a second time.
struct requests::resuming
{
    list_filter        filter;
    std::size_t        left = 0;
    std::size_t        open = 0;  // requests of this page under way
    std::size_t        resumed = 0;
    bool               over = false;  // the store, or this engine, takes no more
    std::exception_ptr error{};       // the first
    done<std::size_t>  answer;
};

void requests::resume_all(list_filter filter, done<std::size_t> answer)
{
    auto r = std::make_shared<resuming>();
    r->left = filter.limit;
    r->filter = std::move(filter);
    r->filter.paused = true;
    r->filter.after.clear();
    if (!r->filter.before)
        r->filter.before = 0;
    r->answer = std::move(answer);
    resume_page(std::move(r));
}

void requests::resume_page(std::shared_ptr<resuming> r)
{
    // Other callers come, too.
    auto const page = std::clamp<std::size_t>(context_.options().queue_limit / 2, 1, 256);
    if (r->over || r->left == 0)
        return r->answer->complete(r->error, std::move(r->resumed));
    r->filter.limit = std::min(r->left, page);
    auto then = [this, r](std::exception_ptr error, std::vector<transaction> rows) {
        if (error || rows.empty())
            return r->answer->complete(r->error ? r->error : error, std::move(r->resumed));
        r->filter.before = rows.back().id;
        r->left = rows.size() < r->filter.limit ? 0 : r->left - rows.size();
        r->open = rows.size();
        resume_these(r, rows);
    };
    context_.on_store(
        lane::questions, [this, filter = r->filter] { return context_.store().list(filter); },
        std::move(then));
}

void requests::resume_these(std::shared_ptr<resuming> const& r, std::vector<transaction> const& rows)
{
    for (auto const& row : rows)
        ask_for(row.gid, request_write::kind::resume,
                [this, r](std::exception_ptr failed, write_result const& w) {
                    r->over = r->over || failed;
                    if (!failed && w.what == written::refused)
                        failed = refused_by_store(w);
                    if (!failed && w.what == written::done)
                        ++r->resumed;  // else it is gone: purged meanwhile
                    if (failed && !r->error)
                        r->error = failed;
                    if (--r->open > 0)
                        return;
                    claims_.claim();
                    resume_page(r);
                });
}

// ------------------------------------------------------------------------------------------------
// to cancel

// What is asked for; the rest if it turns out to be a pattern's.
struct requests::cancelling
{
    std::string         gid, trans_type;
    status              from = status::prepared;
    done<cancel_answer> answer;
};

void requests::cancel(std::string gid, done<cancel_answer> answer)
{
    auto shared = std::make_shared<cancelling>();
    shared->gid = gid;
    shared->answer = std::move(answer);
    auto then = [this, shared](std::exception_ptr error, write_result const& r) {
        auto const& of = shared->gid;
        if (!error && r.what == written::wrong_type)
        {
            shared->trans_type = r.why;
            return cancel_pattern(shared, false);
        }
        if (!error && r.what == written::unknown_gid)
            error = std::make_exception_ptr(
                misuse(misuse::code::unknown_gid, "there is no such transaction", of));
        if (!error && r.what == written::refused)
            error = refused_by_store(r);
        bool const accepted = !error && r.what == written::done;
        shared->answer->complete(error, accepted ? cancel_answer::accepted : cancel_answer::too_late);
        if (!accepted)
            return;
        if (auto const a = running_.find(of))
            a->cancel_requested();
        else
            claims_.claim();
    };
    ask_for(gid, request_write::kind::cancel, std::move(then));
}

// Nobody has to come by and read a request: to cancel a pattern is to decide, at once. What its clients have
// submitted is decided already, but for a saga, which goes forward until all of its actions are done. (What
// was only prepared has not been begun, but for tcc and xa.)
void requests::cancel_pattern(cancel_ptr c, bool in_doubt)
{
    auto const& type = c->trans_type;
    bool const  two_phases = type == "tcc" || type == "xa";
    if (type != "saga" && type != "msg" && !two_phases)
        return cancel_elsewhere(std::move(c));
    decide_write w;
    w.gid = c->gid;
    w.trans_type = type;
    w.from = {c->from};
    w.to = !two_phases && c->from == status::prepared ? status::failed : status::aborting;
    w.reason = cancelled_reason;
    if (patterns_.are_taken() && incarnation_.is_alive() && !context_.stopping() && !is_final(w.to))
        w.owner = incarnation_.id();
    auto then = [this, c, w](std::exception_ptr error, write_result const& r) {
        pattern_cancelled(c, w, error, r);
    };
    auto const bytes = w.reason.size();
    auto       gid = c->gid;
    callers_.ask(
        std::move(gid), bytes, [w = std::move(w)] { return write(w); }, std::move(then), in_doubt);
}

void requests::cancel_elsewhere(cancel_ptr c)
{
    auto then = [c](std::exception_ptr failed, std::optional<transaction> row) {
        if (!failed && !row)
            failed = unknown_transaction(c->gid);
        if (!failed && !is_final(row->status))
        {
            auto const what =
                "a transaction of type '" + c->trans_type + "' runs elsewhere, and is cancelled there";
            failed = std::make_exception_ptr(misuse(misuse::code::wrong_status, what, c->gid));
        }
        c->answer->complete(failed, cancel_answer::too_late);
    };
    patterns_.find(c->gid, std::move(then));
}

void requests::pattern_cancelled(cancel_ptr c, decide_write const& w, std::exception_ptr error,
                                 write_result const& r)
{
    if (error)
        return c->answer->complete(error, {});
    switch (r.what)
    {
    case written::done:
        c->answer->complete(nullptr, cancel_answer::accepted);
        return patterns_.after_decision(
            c->gid, w.to, [this](std::exception_ptr, std::optional<transaction> row, bool ours) {
                if (ours)
                    patterns_.run_decided(std::move(*row), false, nullptr);
                else
                    claims_.claim();
            });
    case written::too_late:
        if (c->trans_type == "saga" && c->from == status::prepared && r.why == to_string(status::submitted))
        {
            c->from = status::submitted;
            return cancel_pattern(std::move(c), false);
        }
        return c->answer->complete(nullptr, cancel_answer::too_late);
    case written::fenced:
        if (!w.owner.empty() && w.owner == incarnation_.id())
            incarnation_.lose();
        return cancel_pattern(std::move(c), r.in_doubt);
    case written::wrong_type:  // it was removed, and another one has its gid
        return cancel(c->gid, std::move(c->answer));
    case written::unknown_gid:
        return c->answer->complete(unknown_transaction(c->gid), {});
    default:
        return c->answer->complete(refused_pattern(r, c->gid), {});
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
