#include "workflow/engine/submissions.hpp"

#include "workflow/engine/intake.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// The gid of a submission is taken: what is wrong if that is not the same transaction.
std::optional<misuse> other_than(transaction const& row, std::string const& name, std::string const& input,
                                 program const* code)
{
    if (row.trans_type == "workflow" && row.workflow == name &&
        (row.input == input || (code && code->same_input(row.input, input))))
        return std::nullopt;
    return misuse(misuse::code::other_input,
                  "the gid exists already, with another " +
                      std::string(row.workflow != name ? "workflow" : "input"),
                  row.gid);
}

}  // namespace

class submissions::submission final : public caller_write
{
public:
    submission(submissions& to, std::string gid, std::string input_text)
        : caller_write(to.callers_, std::move(gid), input_text.size())
        , all(to)
        , input(std::move(input_text))
    { }
    void go() override;
    void on_written(write_result const& r, write&) override;
    void on_stopped(known written) override
    {
        first.reset();  // and with it the body's frame
        caller_write::on_stopped(written);
    }

    void fail(std::exception_ptr error) override
    {
        if (submitted)
            std::exchange(submitted, nullptr)->complete(error, {});
        if (waiting != 0)
            all.waiters_.drop(gid_, std::exchange(waiting, 0), error);
    }

    submissions&                              all;
    std::string                               name, input;
    program const*                            code = nullptr;  // null: another process runs it
    boost::intrusive_ptr<transaction_attempt> first;
    done<std::string>                         submitted;    // submit: answered once durable
    std::uint64_t                             waiting = 0;  // execute: the waiter's number

    using caller_write::count;

private:
    bool asks_for_transaction() const noexcept override { return true; }
    void created(write_result const& r, bool ours);
};

void submissions::submission::go()
{
    if (all.context_.stopping())
        return on_stopped(known::not_written);
    create_write w;
    w.gid = gid_;
    w.workflow = name;
    w.input = input;
    if (first)
    {
        count();
        w.owner = all.incarnation_.id();
    }
    callers_.queue(std::move(w), this);
}

void submissions::submission::on_written(write_result const& r, write& w)
{
    uncount();
    auto const& me = all.incarnation_;
    bool const  ours = me.is_alive() && std::get<create_write>(w).owner == me.id();
    switch (r.what)
    {
    case written::done:
        leave();
        return created(r, ours);
    case written::exists:
        leave();
        return all.join(this);
    case written::fenced:
        // The incarnation it was to belong to is gone: again with the new one.
        follows_one_in_doubt(r.in_doubt);
        if (ours)
            all.incarnation_.lose();
        return callers_.go_when_alive(this);
    default:
        leave();
        fail(refused_by_store(r, of_question(known::not_written) == known::in_doubt));
        return;
    }
}

void submissions::submission::created(write_result const& r, bool ours)
{
    all.context_.count(counters::event::created);
    all.waiters_.join(gid_, waiting);
    if (submitted)
        std::exchange(submitted, nullptr)->complete(nullptr, {});
    if (first && ours && r.in_doubt)
    {
        // Some time has passed, and a claim may have brought it meanwhile.
        first.reset();
        all.attempts_.take_up(gid_);
    }
    else if (first && ours)
        all.attempts_.begin_created(std::exchange(first, nullptr), name, r.created);
    else if (waiting != 0)
        all.waiters_.watch_if_awaited(gid_);
}

submissions::submissions(engine_context& e, needs const& n)
    : context_(e)
    , programs_(n.code)
    , incarnation_(n.me)
    , running_(n.here)
    , claims_(n.work)
    , callers_(n.writes)
    , waiters_(n.who_waits)
    , attempts_(n.begun)
    , maker_(n.maker)
{ }

std::optional<misuse> submissions::refusal(std::string const& name, std::string const& gid,
                                           std::string const& input) const
{
    if (auto wrong = refusal_of_gid(gid))
        return wrong;
    auto const* const p = programs_.find(name);
    auto const        limit = context_.options().payload_limit;
    if (!p && !programs_.is_declared(name))
        return misuse(misuse::code::unknown_workflow,
                      "no workflow \"" + name + "\" is registered with this engine", gid);
    auto const bad = [&](std::string const& what) { return misuse(misuse::code::bad_value, what, gid); };
    if (input.size() > limit)
        return bad("the input takes " + std::to_string(input.size()) + " bytes, the limit is " +
                   std::to_string(limit));
    if (!is_text(input))
        return bad("the input is no JSON text");
    if (p && p->takes_input() == input.empty())
        return bad("workflow \"" + name + (input.empty() ? "\" takes an input" : "\" takes no input"));
    return std::nullopt;
}

bool submissions::create_within(std::any const& connection, std::string name, std::string gid,
                                std::string input)
{
    if (auto const wrong = refusal(name, gid, input))
        throw *wrong;
    create_write w;
    w.gid = std::move(gid);
    w.workflow = std::move(name);
    w.input = std::move(input);
    auto const there = context_.store().create_within(connection, w);
    if (!there)
        return true;
    if (auto const wrong = other_than(*there, w.workflow, w.input, programs_.find(w.workflow)))
        throw *wrong;
    return false;
}

void submissions::execute(std::string name, std::string gid, std::string input, execute_options o,
                          bool wait_for_end, done<std::string> answer)
{
    if (auto const wrong = refusal(name, gid, input))
        return answer->complete(std::make_exception_ptr(*wrong), {});
    if (context_.stopping())
        return answer->complete(stopped_error(gid, callers_.nothing_written(gid, true)), {});
    if (auto const refused = callers_.full(input.size(), callers_.nothing_written(gid, true)))
        return answer->complete(std::make_exception_ptr(*refused), {});

    boost::intrusive_ptr<submission> s(new submission(*this, std::move(gid), std::move(input)));
    s->code = programs_.find(name);
    s->name = std::move(name);
    if (s->code)
        try
        {
            prepare(*s, *s->code);
        }
        catch (...)
        {
            auto const   what = "the input does not convert: " + outcome_of_current_exception().text;
            misuse const wrong(misuse::code::bad_value, what, s->gid());
            return answer->complete(std::make_exception_ptr(wrong), {});
        }
    if (wait_for_end)
        s->waiting = waiters_.await(s->gid(), o, std::move(answer), s);
    else
        s->submitted = std::move(answer);
    callers_.go_when_alive(std::move(s));
}

// Makes the body, so that an input that does not convert is found before anything is written.
void submissions::prepare(submission& s, program const& p)
{
    s.first = maker_.attempt_of(s.gid());
    s.first->prepare(p, s.input);
    if (running_.has_room())
        return s.count();
    s.first.reset();
    claims_.is_full();
}

// The gid exists: the same input gives the same answer.
void submissions::join(boost::intrusive_ptr<submission> s)
{
    context_.on_store(
        lane::reads, [this, gid = s->gid()] { return context_.store().find(gid, false); },
        [this, s](std::exception_ptr error, std::optional<transaction> row) {
            joined(*s, error, std::move(row));
        });
}

void submissions::joined(submission& s, std::exception_ptr error, std::optional<transaction> row)
{
    if (error)
    {
        auto const what = "the gid exists, and cannot be read: " + what_of(error);
        return s.fail(std::make_exception_ptr(store_error(what, known::in_doubt)));
    }
    if (!row)
    {
        auto const        written = s.of_question(known::not_written);
        store_error const removed("the transaction was removed while it was being joined", written);
        return s.fail(std::make_exception_ptr(removed));
    }
    if (auto const wrong = other_than(*row, s.name, s.input, s.code))
        return s.fail(std::make_exception_ptr(*wrong));
    if (s.submitted)
        std::exchange(s.submitted, nullptr)->complete(nullptr, {});
    if (s.waiting == 0)
        return;
    waiters_.join(s.gid(), s.waiting);
    if (running_.contains(s.gid()))
    {
        // It answers when it ends; but what it decided before is not said again.
        row->paused_reason.clear();
        return waiters_.answer(*row);
    }
    waiters_.answer(*row);
    waiters_.watch_if_awaited(s.gid());
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
