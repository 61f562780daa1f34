#include "tests/simulation/bank.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <limits>

namespace simulation {

namespace {

// A branch as the durable journal tells it.
struct told
{
    std::string verb;
    std::string state;  // of the first phase: prepared, succeed, failed
    bool        maybe = false;
    unsigned    send = 1;
};

std::map<std::string, told> read(weft::transaction const& row)
{
    std::map<std::string, told> branches;
    auto const                  part = [&](std::string const& text) {
        auto const document = boost::json::parse(text);
        for (auto const& v : document.at("journal").as_array())
        {
            auto const& e = v.as_object();
            auto const  op = e.at("op").as_string();
            auto&       b = branches[std::string(e.at("id").as_string())];
            if (e.contains("verb"))
                b.verb = e.at("verb").as_string();
            if (op != "action" && op != "try")
                continue;
            b.state = e.at("status").as_string();
            b.maybe = e.contains("maybe");
            if (e.contains("send"))
                b.send = e.at("send").to_number<unsigned>();
        }
    };
    for (auto const& text : row.parts)
        part(text);
    part(row.journal);
    return branches;
}

}  // namespace

std::optional<weft::operation> bank::origin_of(weft::operation op) noexcept
{
    switch (op)
    {
    case weft::operation::cancel:
        return weft::operation::try_;
    case weft::operation::compensate:
    case weft::operation::rollback:
        return weft::operation::action;
    default:
        return std::nullopt;
    }
}

// What holds for everything that arrives, whatever crashed before.
void bank::receive(weft::branch const& where)
{
    auto const wrong = [&](std::string const& what) {
        violations_.push_back(where.gid + ' ' + where.id + '/' + std::string(to_string(where.op)) + ": " + what);
    };
    bool const first_phase = where.op == weft::operation::action || where.op == weft::operation::try_;
    if (!store_)
        return;
    auto const row = store_->find(where.gid, true);
    if (!row)
        return wrong("sent before its transaction is durable (I1)");
    if (row->owner.empty())
        wrong("sent by somebody who holds no lease (I5)");
    if (is_final(row->status))
        wrong("sent although the final status was written (I4)");
    auto const branches = read(*row);
    auto const known = branches.find(where.id);
    bool const undoable = known != branches.end() && known->second.verb != "step";
    if (first_phase)
    {
        if (row->status != weft::status::prepared)
            wrong("a first-phase operation after the decision (I3)");
        for (auto const& [id, b] : branches)
            if (id < where.id && b.state == "prepared")
                wrong("sent before the outcome of " + id + " is durable (I1)");
        for (int n = 1; n < std::stoi(where.id); ++n)
        {
            auto const id = (n < 10 ? "0" : "") + std::to_string(n);
            if (!branches.contains(id))
                wrong("sent before the outcome of " + id + " is durable (I1)");
        }
        if (known != branches.end() && known->second.state != "prepared")
            wrong("sent although its outcome is durable");
        if (where.name.starts_with("step") ? undoable : !undoable)
            wrong("sent without its intent (I2)");
        if (undoable && known->second.verb == "xa" && known->second.send != where.send)
            wrong("sent under another number than the journal has");
        return;
    }
    if (known == branches.end())
        return wrong("phase 2 of a branch that the journal does not have (I2)");
    auto const& b = known->second;
    bool const  caught = b.state == "failed" && b.maybe && row->status == weft::status::submitted;
    if (is_undo(where.op) ? row->status != weft::status::aborting && !caught : row->status != weft::status::submitted)
        wrong("phase 2 before the decision (I3)");
    if (row->status == weft::status::aborting && is_undo(where.op))
    {
        auto& order = undone_[where.gid];
        if (std::find(order.begin(), order.end(), where.id) == order.end())
        {
            if (!order.empty() && order.back() < where.id)
                wrong("undone after " + order.back() + ", which began earlier");
            order.push_back(where.id);
        }
    }
    if (b.state == "failed" && !b.maybe)
        wrong("phase 2 of a branch that is known to have failed (I6)");
}

// ---------------------------------------------------------------------------------------------------------------------------------
// the business

std::int64_t bank::take(request const& r)
{
    if (account(r.account) < r.cents)
        throw weft::failure("not enough money");
    account(r.account) -= r.cents;
    spent_ += r.cents;
    return r.cents;
}

std::int64_t bank::give_back(request const& r)
{
    account(r.account) += r.cents;
    spent_ -= r.cents;
    return r.cents;
}

std::int64_t bank::reserve(request const& r)
{
    if (account(r.account) < r.cents)
        throw weft::failure("not enough money");
    account(r.account) -= r.cents;
    reserved_ += r.cents;
    return r.cents;
}

std::int64_t bank::confirm(request const& r)
{
    reserved_ -= r.cents;
    spent_ += r.cents;
    return r.cents;
}

std::int64_t bank::release(request const& r)
{
    reserved_ -= r.cents;
    account(r.account) += r.cents;
    return r.cents;
}

weft::outcome bank::prepare(weft::branch const& where, request const& r)
{
    receive(where);
    if (marks_.contains(key(where, weft::operation::rollback)))
        return weft::outcome::failure("rolled back already");
    // A new send ends the one before it: nobody will ask for that any more.
    for (unsigned send = 1; send < where.send; ++send)
        if (auto const p = prepared_.extract({where.gid, where.id, send}))
        {
            reserved_ -= p.mapped().cents;
            account(p.mapped().account) += p.mapped().cents;
            ledger_.push_back({where.gid, where.id, weft::operation::rollback, p.mapped().cents});
        }
    if (!prepared_.contains({where.gid, where.id, where.send}))
    {
        if (account(r.account) < r.cents)
            return weft::outcome::failure("not enough money");
        account(r.account) -= r.cents;
        reserved_ += r.cents;
        prepared_.emplace(std::tuple(where.gid, where.id, where.send), r);
        ledger_.push_back({where.gid, where.id, where.op, r.cents});
    }
    return weft::outcome::success(std::to_string(r.cents));
}

weft::outcome bank::commit(weft::branch const& where)
{
    receive(where);
    auto const xid = std::tuple(where.gid, where.id, where.send);
    if (auto const p = prepared_.extract(xid))
    {
        reserved_ -= p.mapped().cents;
        spent_ += p.mapped().cents;
        ledger_.push_back({where.gid, where.id, where.op, p.mapped().cents});
        committed_.insert(xid);
        return weft::outcome::success();
    }
    if (committed_.contains(xid))
        return weft::outcome::success();
    return weft::outcome::failure("no such xid");  // makes the transaction pause, which no check forgives
}

weft::outcome bank::roll_back(weft::branch const& where)
{
    receive(where);
    marks_.emplace(key(where, where.op), mark{where.op, 0});
    for (auto p = prepared_.begin(); p != prepared_.end();)
        if (std::get<0>(p->first) == where.gid && std::get<1>(p->first) == where.id)
        {
            reserved_ -= p->second.cents;
            account(p->second.account) += p->second.cents;
            ledger_.push_back({where.gid, where.id, where.op, p->second.cents});
            p = prepared_.erase(p);
        }
        else
            ++p;
    return weft::outcome::success();
}

// ---------------------------------------------------------------------------------------------------------------------------------
// the auditor

std::vector<std::string> bank::audit(weft::testing::environment& env) const
{
    auto       wrong = violations_;
    auto const say = [&](std::string const& what) { wrong.push_back(what); };

    struct counts
    {
        int          forward = 0, undone = 0, confirmed = 0;
        std::int64_t cents = 0;
    };
    std::map<std::string, std::map<std::string, counts>> by_branch;
    for (auto const& e : ledger_)
    {
        auto& c = by_branch[e.gid][e.branch];
        c.cents = e.cents;
        (is_undo(e.op) ? c.undone : e.op == weft::operation::action || e.op == weft::operation::try_ ? c.forward : c.confirmed)++;
    }

    std::int64_t spent = 0;
    for (auto const& listed : env.list({.limit = std::numeric_limits<std::int32_t>::max()}))
    {
        if (listed.workflow.empty())
            continue;  // not this bank's
        auto const row = *env.query(weft::gid(listed.gid));
        auto const told_branches = read(row);
        auto&      branches = by_branch[row.gid];
        for (auto const& [id, b] : told_branches)
        {
            auto const& c = branches[id];
            auto const  name =
                row.gid + ' ' + id + " (" + b.verb + ", " + b.state + ", transaction " + std::string(to_string(row.status)) + ")";
            auto const took = [&] {
                return ": " + std::to_string(c.forward) + " times done, " + std::to_string(c.undone) + " times undone, " +
                       std::to_string(c.confirmed) + " times confirmed";
            };
            int const  net = c.forward - c.undone;
            bool const confirms = b.verb == "tcc" || b.verb == "xa";
            bool       right = c.forward <= 1 || b.verb == "xa";
            if (b.verb == "step")
                right = right && net == (b.state == "succeed" ? 1 : c.forward);
            else if (!is_final(row.status))
                right = right && net >= 0;
            else if (row.status == weft::status::succeed && b.state == "succeed")
                right = right && net == 1 && c.confirmed == (confirms ? 1 : 0);
            else
                right = right && net == 0 && c.confirmed == 0;
            if (!right)
                say(name + took());
            if (net == 1 && (!confirms || c.confirmed == 1))
                spent += c.cents;
        }
        for (auto const& [id, c] : branches)
            if (!told_branches.contains(id) && c.forward != 0)
            {
                // A step that was sent, and whose outcome never reached the disk: the transaction then rolled back.
                if (row.status == weft::status::succeed)
                    say(row.gid + ' ' + id + " has an effect, and the journal knows nothing of it");
                spent += c.cents;
            }
        by_branch.erase(row.gid);
    }
    for (auto const& [gid, branches] : by_branch)
        if (!branches.empty())
            say(gid + " has effects, and there is no such transaction");
    if (spent != spent_)
        say("the ledger says " + std::to_string(spent) + " spent, the accounts " + std::to_string(spent_));
    std::int64_t sum = reserved_ + spent_;
    for (auto const& [name, balance] : accounts_)
        sum += balance - opening_balance;
    if (sum != 0)
        say("money was " + std::string(sum > 0 ? "made" : "lost"));
    auto const unfinished = env.list({.unfinished = true, .limit = 1});
    if (unfinished.empty() && (reserved_ != 0 || !prepared_.empty()))
        say(std::to_string(reserved_) + " stay reserved, " + std::to_string(prepared_.size()) + " prepared");
    return wrong;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// operations

std::int64_t take(weft::branch const& where, bank& b, request const& r)
{
    return b.guarded(where, [&] { return b.take(r); });
}
void give_back(weft::branch const& where, bank& b, request const& r)
{
    b.guarded(where, [&] { return b.give_back(r); });
}
std::int64_t reserve(weft::branch const& where, bank& b, request const& r)
{
    return b.guarded(where, [&] { return b.reserve(r); });
}
void confirm(weft::branch const& where, bank& b, request const& r)
{
    b.guarded(where, [&] { return b.confirm(r); });
}
void release(weft::branch const& where, bank& b, request const& r)
{
    b.guarded(where, [&] { return b.release(r); });
}
std::int64_t refuse(weft::branch const& where, bank& b, request const&)
{
    return b.guarded(where, []() -> std::int64_t { throw weft::failure("never"); });
}

}  // namespace simulation
