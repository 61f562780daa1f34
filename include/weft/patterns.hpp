/// \file
/// Sagas and messages as data, made step by step, for any coordinator: the one in this process, weftd, or a dtm server.
///
///     weft::saga pay("pay-4711");
///     pay.add(out + "/transfer", out + "/undo", transfer).add(in + "/transfer", in + "/undo", transfer);
///     auto const now = co_await pay.submit_and_wait(coordinator);       // now.status == succeed, failed, or still on its way
///
/// <weft/live_patterns.hpp> has TCC and XA, whose branches are called while they are registered; <weft/send_message.hpp> messages that are sent
/// if and only if a local transaction commits.
#pragma once

#include <weft/coordinator.hpp>
#include <weft/detail/codec.hpp>

#include <boost/json/object.hpp>

#include <chrono>

namespace weft {
inline namespace v0 {

namespace detail {

/// What all patterns have. `Self` is the builder.
template <class Self>
class pattern_builder
{
public:
    /// Of one call of a branch; otherwise the coordinator's own, 3 s.
    Self& request_timeout(std::chrono::seconds t) { return option("request_timeout", t.count()); }

    /// Between two tries of what is not done yet; otherwise the coordinator's own, 10 s.
    Self& retry_interval(std::chrono::seconds t) { return option("retry_interval", t.count()); }

    /// After which it is given up: a saga rolls back, a message's sender is asked; otherwise the coordinator's own, 35 s, and for a saga never.
    Self& timeout_to_fail(std::chrono::seconds t) { return option("timeout_to_fail", t.count()); }

    /// Goes with every call of a branch.
    Self& header(std::string_view name, std::string_view value)
    {
        auto& headers = options_["branch_headers"];
        if (!headers.is_object())
            headers.emplace_object();
        headers.get_object()[boost::json::string_view(name.data(), name.size())] = boost::json::string_view(value.data(), value.size());
        return self();
    }

    std::string const& gid() const noexcept { return t_.gid; }

    /// What is handed over.
    global_transaction data() const
    {
        auto t = t_;
        if (!options_.empty())
            append_json(t.options, options_);
        if (!custom_.empty())
            append_json(t.custom_data, custom_);
        return t;
    }

    /// Returns when it is durable; it then goes its way. Errors: as `coordinator::submit`.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto submit(coordinator& to, Token&& token = {}) const
    {
        auto const t = data();
        return to.submit(t, returns::when_durable, std::forward<Token>(token));
    }

    /// Returns when its first attempt has ended: `status` says whether it is final. It is durable, and will end, either way.
    /// Errors: as `coordinator::submit`; wrong_status if the gid has ended before, as whatever it was.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto submit_and_wait(coordinator& to, Token&& token = {}) const
    {
        auto const t = data();
        return to.submit(t, returns::when_tried, std::forward<Token>(token));
    }

protected:
    pattern_builder(std::string gid, char const* trans_type)
    {
        t_.gid = std::move(gid);
        t_.trans_type = trans_type;
    }

    Self& self() noexcept { return static_cast<Self&>(*this); }

    template <class T>
    Self& option(char const* name, T value)
    {
        options_[name] = value;
        return self();
    }

    Self& step(std::string action, std::string compensate, std::string payload)
    {
        auto& s = t_.steps.emplace_back();
        s.action = std::move(action);
        s.compensate = std::move(compensate);
        s.payload = std::move(payload);
        return self();
    }

    global_transaction  t_;
    boost::json::object options_, custom_;
};

}  // namespace detail

/// Steps with their compensations. Thread safety: one thread at a time.
class saga : public detail::pattern_builder<saga>
{
public:
    explicit saga(std::string gid) : pattern_builder(std::move(gid), "saga") { }

    /// A step: `payload` (what Boost.JSON converts) is sent to `action`, and to `compensate` if the saga rolls back. An empty address: nothing
    /// to do there. Errors: misuse(bad_value) if the payload does not convert.
    template <class T>
    saga& add(std::string action, std::string compensate, T const& payload)
    {
        return step(std::move(action), std::move(compensate), detail::encode(payload));
    }
    saga& add(std::string action, std::string compensate = {}) { return step(std::move(action), std::move(compensate), {}); }

    /// All steps at once, instead of one after the other.
    saga& concurrent()
    {
        custom_["concurrent"] = true;
        return *this;
    }

    /// Step number `which` (from 0) only after these others. With `concurrent`.
    saga& after(std::size_t which, std::vector<std::size_t> const& others)
    {
        auto& orders = custom_["orders"];
        if (!orders.is_object())
            orders.emplace_object();
        auto& list = orders.get_object()[std::to_string(which)];
        list.emplace_array();
        for (auto const other : others)
            list.get_array().emplace_back(other);
        return *this;
    }

    /// Rolls back after so many tries of an action without an answer.
    saga& retry_limit(unsigned n) { return option("retry_limit", n); }
};

/// A message: delivered to every address at least once, after `submit`. Thread safety: one thread at a time.
class msg : public detail::pattern_builder<msg>
{
public:
    explicit msg(std::string gid) : pattern_builder(std::move(gid), "msg") { }

    template <class T>
    msg& add(std::string action, T const& payload)
    {
        return step(std::move(action), {}, detail::encode(payload));
    }
    msg& add(std::string action) { return step(std::move(action), {}, {}); }

    /// To all who have subscribed to the topic at a coordinator elsewhere.
    template <class T>
    msg& add_topic(std::string const& topic, T const& payload)
    {
        return step("topic://" + topic, {}, detail::encode(payload));
    }

    /// To these, in one step.
    template <class T>
    msg& add_subscribers(std::vector<std::string> addresses, T const& payload)
    {
        step({}, {}, detail::encode(payload));
        t_.steps.back().subscribers = std::move(addresses);
        return *this;
    }

    msg& delay(std::chrono::seconds t)
    {
        custom_["delay"] = t.count();
        return *this;
    }

    /// All addresses at once.
    msg& concurrent() { return option("concurrent", true); }

    /// Where the coordinator asks whether a prepared message was meant, if it is not submitted in time.
    msg& check_back(std::string url)
    {
        t_.query_prepared = std::move(url);
        return *this;
    }

    /// Hands it over without sending it: `submit` sends it, `coordinator::abort` drops it, and after `timeout_to_fail` the sender is asked.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto prepare(coordinator& to, Token&& token = {}) const
    {
        auto const t = data();
        return to.prepare(t, std::forward<Token>(token));
    }
};

}  // namespace v0
}  // namespace weft
