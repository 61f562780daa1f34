// How an attempt sends what its program wants to be sent.
#include "workflow/attempt/transaction_attempt.hpp"
#include "workflow/program/readable.hpp"
#include "workflow/runtime/callbacks.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// An operation that the store does itself holds up all others: past this there is a warning.
constexpr std::chrono::milliseconds longest_in_store{100};

}  // namespace

void transaction_attempt::deliver(outgoing& o)
{
    if (!host_.may_act())
    {
        o.is = outgoing::state::held;
        permit_returned(o);
        return host_.hold(*this);
    }
    if (!has_permit(o))
        return;
    context_.count(counters::event::operations);
    o.is = outgoing::state::under_way;
    if (o.here)
        perform_here(o);
    else if (program_->call_of(o.of).call)
        perform(o);
    else
        start_remote(o);
}

// True: nothing limits the branch, or there is a permit for this send. False: `on_permit` comes when there is.
bool transaction_attempt::has_permit(outgoing& o)
{
    auto const* const call = program_->call_of(o.of).call;
    auto* const       limit = call ? host_.limits().of(call->name) : nullptr;
    if (!limit || o.permit)
        return true;
    if (auto p = limit->ask(o, context_.time().since_boot()))
    {
        o.permit = std::move(*p);
        return true;
    }
    o.is = outgoing::state::waits_for_permit;
    host_.limits().awaited(*limit);
    return false;
}

void transaction_attempt::on_permit(outgoing& o, class permit p)
{
    o.permit = std::move(p);
    deliver(o);
}

// After what ran with the permit has ended.
void transaction_attempt::permit_returned(outgoing& o)
{
    if (!o.permit)
        return;
    o.permit.give_back();
    host_.limits().returned(program_->call_of(o.of).call->name);
}

void transaction_attempt::perform(outgoing& o)
{
    auto const what = program_->call_of(o.of);
    if (o.again)
        context_.count(counters::event::retries);
    auto* const participants = context_.options().participants.get();
    branch      where;
    bool const  named = participants || what.call->wants_branch(what.op);
    if (named)
        where = program_->branch_of(o.of, context_.time().now());
    bool const scripted = participants && participants->wants(where);
    if (!scripted && perform_inline(o, what, where))
        return;
    if (!named)
        where = program_->branch_of(o.of, context_.time().now());
    start(o, what, std::move(where), scripted);
}

// True: it has run, and its answer has been told.
bool transaction_attempt::perform_inline(outgoing& o, called const& what, branch const& where)
{
    outcome said;
    bool    permanent = false;
    bool    ran = false;
    {
        user_code guard(host_, gid_, *what.id, row_->position);
        ran = what.call->run_inline(what.op, where, said, permanent);
    }
    if (!ran)
        return false;
    permit_returned(o);
    auto const of = o.of;
    outgoing_.release(o);
    tell({.what = event::kind::answered, .of = of, .said = std::move(said), .permanent = permanent});
    return true;
}

void transaction_attempt::start(outgoing& o, called const& what, branch where, bool scripted)
{
    boost::intrusive_ptr<branch_call> const call(what.call);
    boost::intrusive_ptr<delivery> const    sent(new delivery(context_.gate(), call));
    auto const                              op = what.op;
    o.sent = sent;
    sent->where = std::move(where);
    sent->waiting = &o;
    sent->permit = std::move(o.permit);
    host_.delivery_began();
    auto const limit = timeout(o);
    if (limit.count() > 0)
        context_.timers().set(o, limit);
    user_code guard(host_, gid_, *what.id, row_->position);
    try
    {
        if (scripted)
            context_.options().participants->perform(operation_call(sent),
                                                     [call, op](operation_call to) { call->perform(op, std::move(to)); });
        else
            call->start(op, operation_call(sent));
    }
    catch (...)
    {
        // The call answered `error` when it was destroyed; that says less than this.
        sent->thrown = readable(outcome_of_current_exception().text);
    }
}

void transaction_attempt::start_remote(outgoing& o)
{
    if (o.again)
        context_.count(counters::event::retries);
    auto remote = program_->remote_of(o.of);
    o.sent.reset(new delivery(context_.gate(), std::move(remote.headers)));
    o.sent->where = program_->branch_of(o.of, context_.time().now());
    o.sent->waiting = &o;
    host_.delivery_began();
    host_.remote().start(remote.what, operation_call(o.sent));
}

std::chrono::milliseconds transaction_attempt::timeout(outgoing const& o) const
{
    return program_->call_of(o.of).call->timeout.value_or(context_.options().operation_timeout);
}

void transaction_attempt::on_answer(outgoing& o, delivery& sent, outcome said, bool permanent)
{
    if (o.sent.get() != &sent)
        return;
    auto const of = o.of;
    if (o.timed_out && said.unknown())
        said = outcome::error("no answer within " + std::to_string(timeout(o).count()) + " ms");
    if (said.unknown() && said.text.empty())
        said.text = std::exchange(sent.thrown, {});
    outgoing_.release(o);
    tell({.what = event::kind::answered, .of = of, .said = std::move(said), .permanent = permanent});
}

void transaction_attempt::on_timer(outgoing& o)
{
    auto const of = o.of;
    if (o.is == outgoing::state::waits_to_retry)
    {
        outgoing_.release(o);
        return tell({.what = event::kind::due, .of = of});
    }
    if (o.is != outgoing::state::under_way)
        return;
    if (!o.timed_out)
    {
        o.timed_out = true;
        context_.timers().set(o, grace_after_timeout);
        boost::intrusive_ptr<delivery>(o.sent)->cancel.emit(boost::asio::cancellation_type::terminal);
        return;
    }
    auto const within = timeout(o);
    orphan(o);
    outgoing_.release(o);
    tell({.what = event::kind::overdue,
          .of = of,
          .said = outcome::error("no answer within " + std::to_string(within.count()) + " ms, and it has not returned")});
}

// ---------------------------------------------------------------------------------------------------------------------
// operations that the store does

void transaction_attempt::perform_here(outgoing& o)
{
    here_ = program_->here(o.of);
    here_->stands(gid_, host_.owner(), row_->position);
    doing_ = doing::writing;
    host_.operations_in_store().add(*this, this);
}

bool transaction_attempt::run(record_writer& writer)
{
    if (here_->done_before(writer))
        return true;
    auto const from = context_.time().since_boot();
    here_->perform(writer, context_.time().now());
    auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(context_.time().since_boot() - from);
    if (auto* log = context_.log(); log && took > longest_in_store)
    {
        auto const where = program_->branch_of(here_->of(), context_.time().now());
        log->warn("gid={} branch={}: \"{}\" took {} ms in the store's own transaction; every write of this engine waited", gid_, where.id,
                  where.name, took.count());
    }
    return here_->record(writer, context_.now_ms());
}

// The store has it behind itself.
std::unique_ptr<in_store> transaction_attempt::here_returned()
{
    outgoing* of = nullptr;
    outgoing_.for_each([&](outgoing& o) { of = o.here ? &o : of; });
    if (of)
    {
        permit_returned(*of);
        outgoing_.release(*of);
    }
    return std::exchange(here_, nullptr);
}

void transaction_attempt::done_here()
{
    auto const here = here_returned();
    auto&      w = here->written();
    durable({.what = event::kind::done_here, .of = here->of(), .said = std::move(here->said()), .write = &w}, w.position_after());
}

void transaction_attempt::refused_here(write_result const& r)
{
    auto const here = here_returned();
    if (!r.why.empty())
        return tell({.what = event::kind::not_written, .of = here->of(), .said = outcome::error(r.why), .write = &here->pending()});
    if (here->said().what == outcome::kind::success)
    {
        context_.count(counters::event::fenced);
        return end(ended_as::fenced);
    }
    tell({.what = event::kind::answered,
          .of = here->of(),
          .said = std::move(here->said()),
          .permanent = here->permanent(),
          .write = &here->pending()});
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
