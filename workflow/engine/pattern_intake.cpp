#include "workflow/engine/pattern_intake.hpp"

#include "workflow/engine/caller_write.hpp"
#include "workflow/engine/intake.hpp"
#include "workflow/runtime/context.hpp"

#include <weft/detail/option.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// What it throws of misuse names the key that it is about.
template <class F>
void naming(std::string const& key, std::string const& gid, F f)
{
    try
    {
        f();
    }
    catch (misuse const& e)
    {
        throw misuse(misuse::code::bad_value, key + ": " + e.what(), gid);
    }
}

std::size_t payload_of(global_transaction const& t)
{
    std::size_t bytes = t.options.size() + t.custom_data.size();
    for (auto const& s : t.steps)
        bytes += s.payload.size() * std::max<std::size_t>(1, s.subscribers.size());
    return bytes;
}

}  // namespace

// ------------------------------------------------------------------------------------------------
// what is taken

void pattern_intake::take(manager_options const& options)
{
    if (remote_)
        throw misuse(misuse::code::wrong_call, "the engine has a transaction manager already");
    if (!options.caller)
        throw misuse(misuse::code::wrong_call,
                     "a transaction manager needs a caller: manager_options::caller");
    check_option("manager_options::retry_interval", options.retry_interval, 1);
    check_option("manager_options::request_timeout", options.request_timeout, 1);
    check_option("manager_options::timeout_to_fail", options.timeout_to_fail, 0);
    remote_ = options.caller;
    defaults_.retry_interval = bounded_as(options.retry_interval);
    defaults_.request_timeout = bounded_as(options.request_timeout);
    defaults_.timeout_to_fail = bounded_as(options.timeout_to_fail);
}

std::optional<misuse> pattern_intake::refusal(global_transaction const& t, std::size_t payload_limit) const
{
    if (auto wrong = refusal_of_gid(t.gid))
        return wrong;
    auto const bad = [&](std::string const& what) { return misuse(misuse::code::bad_value, what, t.gid); };
    if (!pattern_of(t.trans_type))
        return bad("unknown trans_type \"" + t.trans_type + "\"");
    if (auto const bytes = payload_of(t); bytes > payload_limit)
        return bad("it takes " + std::to_string(bytes) + " bytes, the limit is " +
                   std::to_string(payload_limit));
    for (auto const& [what, text] :
         {std::pair("query_prepared", &t.query_prepared), std::pair("protocol", &t.protocol),
          std::pair("options", &t.options), std::pair("custom_data", &t.custom_data)})
        if (!is_text(*text))
            return bad(std::string(what) + " is not UTF-8, or has a NUL in it");
    if (auto wrong = refusal_of_steps(t))
        return wrong;
    if (t.query_prepared.size() > url_limit)
        return bad("query_prepared is longer than 1,024 bytes");
    if (t.steps.size() > most_steps)
        return bad("it has more than 99 steps");
    try
    {
        check_settings(t);
        check_addresses(t);
    }
    catch (misuse const& wrong)
    {
        return wrong;
    }
    return std::nullopt;
}

std::optional<misuse> pattern_intake::refusal_of_steps(global_transaction const& t) const
{
    auto const bad = [&](std::string const& what) { return misuse(misuse::code::bad_value, what, t.gid); };
    auto const is_address = [](std::string const& url) { return is_text(url) && url.size() <= url_limit; };
    for (auto const& s : t.steps)
    {
        auto const& to = s.subscribers;
        if (!is_address(s.action) || !is_address(s.compensate) ||
            !std::all_of(to.begin(), to.end(), is_address))
            return bad("an address is longer than 1,024 bytes or not UTF-8, or has a NUL in it");
        if (s.action.starts_with("topic://") && to.empty())
            return bad("topics are kept by a server: here a step names its subscribers");
        if (!to.empty() && t.trans_type != "msg")
            return bad("only the steps of a msg go to subscribers");
        if (to.size() > 99)
            return bad("a step goes to more than 99 subscribers");
    }
    return std::nullopt;
}

void pattern_intake::check_settings(global_transaction const& t) const
{
    transaction row;
    row.gid = t.gid;
    row.trans_type = t.trans_type;
    row.options = t.options;
    row.custom_data = t.custom_data;
    check_headers(t.options, t.gid);
    auto const settings = settings_of(row, defaults_);
    if (auto const k = in_a_circle(settings, t.steps.size()))
        throw misuse(misuse::code::bad_value,
                     "custom_data.orders: step " + std::to_string(*k) +
                         " could never begin: they go in a circle",
                     t.gid);
}

// That those who perform its operations can. Throws misuse with the key's name.
void pattern_intake::check_addresses(global_transaction const& t) const
{
    remote_operation o;
    o.trans_type = t.trans_type;
    o.protocol = t.protocol;
    auto const check = [&](std::string const& key, std::string const& url) {
        o.url = url;
        if (!url.empty())
            naming(key, t.gid, [&] { remote_->check(o); });
    };
    check("query_prepared", t.query_prepared);
    for (std::size_t i = 0; i < t.steps.size(); ++i)
    {
        auto const& s = t.steps[i];
        auto const  step = "steps[" + std::to_string(i) + "].";
        o.payload = s.payload;
        // One subscriber that cannot be called is no matter of the others, nor of the sender.
        if (s.subscribers.empty())
            check(step + "action", s.action);
        if (t.trans_type == "saga")
            check(step + "compensate", s.compensate);
    }
}

void pattern_intake::check_ops(std::string const& gid, std::string const& trans_type,
                               std::vector<branch_op> const& ops, std::size_t payload_limit) const
{
    for (auto const& op : ops)
        if (op.branch_id.empty() || op.branch_id.size() > gid_limit || op.op.empty() || op.op.size() > 45 ||
            op.url.size() > url_limit || !is_text(op.branch_id) || !is_text(op.op) || !is_text(op.url) ||
            op.data.size() > payload_limit)
            throw misuse(misuse::code::bad_value,
                         "branch_id, op, address or data is empty, too long or not UTF-8", gid);
    remote_operation o;
    o.trans_type = trans_type;
    for (auto const& op : ops)
    {
        o.url = op.url;
        o.payload = op.data;
        if (!op.url.empty())
            naming(trans_type == "xa" ? "url" : op.op, gid, [&] { remote_->check(o); });
    }
}

// ------------------------------------------------------------------------------------------------
// what is written for it

create_write creation_of(global_transaction const& t, status s)
{
    create_write w;
    w.gid = t.gid;
    w.trans_type = t.trans_type;
    w.status = s;
    w.query_prepared = t.query_prepared;
    w.protocol = t.protocol.empty() ? "http" : t.protocol;
    w.options = t.options;
    w.custom_data = t.custom_data;
    std::vector<pattern_step> steps;
    for (auto const& step : t.steps)
        steps.push_back({step.action, step.compensate, step.payload, step.subscribers});
    if (t.trans_type == "saga")
        w.ops = saga_ops(steps);
    else if (t.trans_type == "msg")
        w.ops = msg_ops(steps);
    return w;
}

std::size_t size_of(global_transaction const& t)
{
    std::size_t bytes = t.gid.size() + t.query_prepared.size() + payload_of(t);
    for (auto const& s : t.steps)
        bytes += s.action.size() + s.compensate.size();
    return bytes;
}

// ------------------------------------------------------------------------------------------------
// answers that are none

std::exception_ptr wrong_status(std::string const& gid, std::string const& is, std::string const& verb)
{
    auto const what = "current status '" + is + "', cannot " + verb;
    return std::make_exception_ptr(misuse(misuse::code::wrong_status, what, gid));
}

std::exception_ptr wrong_type(std::string const& gid, std::string const& is, std::string const& verb)
{
    return std::make_exception_ptr(misuse(misuse::code::wrong_status, is + ", cannot " + verb, gid));
}

std::exception_ptr other_type(transaction const& t, std::string const& trans_type, std::string const& verb)
{
    auto const wrong = type_mismatch(trans_type, t.trans_type, t.workflow);
    return wrong.empty() ? nullptr : wrong_type(t.gid, wrong, verb);
}

std::exception_ptr unknown_transaction(std::string const& gid)
{
    auto const what = "no transaction with gid: " + gid + " found";
    return std::make_exception_ptr(misuse(misuse::code::unknown_gid, what, gid));
}

std::exception_ptr refused_pattern(write_result const& r, std::string const& gid)
{
    if (r.in_doubt)
        return refused_by_store(r);
    return std::make_exception_ptr(
        misuse(misuse::code::bad_value, "the store refused the transaction: " + r.why, gid));
}

std::exception_ptr applied_but(std::exception_ptr const& error)
{
    auto const what = what_of(error) + and_known(known::applied);
    return std::make_exception_ptr(store_error(what, known::applied));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
