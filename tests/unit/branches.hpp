// Participants that are addresses, and a transaction manager of dtm's patterns, in virtual time.
#pragma once

#include <weft/testing/environment.hpp>
#include <weft/transaction_manager.hpp>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace workshop {

// Answers as it is told, by "op url"; what it was not told about succeeds.
class branches final : public weft::remote_caller
{
public:
    struct called
    {
        std::string                         what;  // "01 action a"
        weft::remote_operation              operation;
        weft::http_headers                  headers;
        std::chrono::milliseconds           at{0};  // since the first call
        std::optional<weft::operation_call> held{};
    };

    void start(weft::remote_operation const& o, weft::operation_call to) override
    {
        auto& c = calls.emplace_back();
        c.what = to.where().id + ' ' + o.op + ' ' + o.url;
        c.operation = o;
        if (to.headers())
            c.headers = *to.headers();
        auto const now = clock ? clock->since_boot() : std::chrono::nanoseconds(0);
        if (calls.size() == 1)
            first_ = now;
        c.at = std::chrono::duration_cast<std::chrono::milliseconds>(now - first_);
        auto& script = answers[o.op + ' ' + o.url];
        if (hold)
        {
            c.held.emplace(std::move(to));
            return;
        }
        if (script.empty())
            return std::move(to).answer(weft::outcome::success());
        auto const answer = script.front();
        if (script.size() > 1)
            script.pop_front();
        std::move(to).answer(answer);
    }

    void check(weft::remote_operation const& o) const override
    {
        if (refused.contains(o.url))
            throw weft::misuse(weft::misuse::code::wrong_call, "nobody calls " + o.url);
    }

    std::vector<std::string> seen() const
    {
        std::vector<std::string> all;
        for (auto const& c : calls)
            all.push_back(c.what);
        return all;
    }

    std::deque<called>                               calls;
    std::map<std::string, std::deque<weft::outcome>> answers;  // the last one stays
    std::set<std::string>                            refused;  // addresses
    bool                                             hold = false;
    weft::testing::virtual_clock*                    clock = nullptr;

private:
    std::chrono::nanoseconds first_{0};
};

class managed
{
public:
    explicit managed(weft::testing::environment_options options = {}) : env(std::move(options))
    {
        env.on_start([this](weft::engine& e) {
            weft::manager_options o;
            o.caller = std::shared_ptr<weft::remote_caller>(std::shared_ptr<void>(), &at);
            o.on_branch_error = [this](weft::transaction const& t, std::string const& url, std::string const&, unsigned times) {
                alerts.push_back(t.gid + ' ' + url + ' ' + std::to_string(times));
            };
            managers.push_back(std::make_unique<weft::transaction_manager>(e, std::move(o)));
        });
        env.engine();
        at.clock = &env.clock();
    }

    weft::transaction_manager& manager() { return *managers.back(); }

    // Runs until it has an answer; what goes wrong is thrown.
    template <class T, class Start>
    T ask(Start start)
    {
        bool               there = false;
        std::exception_ptr error;
        T                  value{};
        start([&](std::exception_ptr e, T v) {
            there = true;
            error = e;
            value = std::move(v);
        });
        env.run_until([&] { return there; });
        if (error)
            std::rethrow_exception(error);
        return value;
    }
    weft::transaction submit(weft::global_transaction t, weft::returns when = weft::returns::when_durable)
    {
        return ask<weft::transaction>([&](auto token) { manager().submit(std::move(t), when, std::move(token)); });
    }
    weft::transaction prepare(weft::global_transaction t)
    {
        return ask<weft::transaction>([&](auto token) { manager().prepare(std::move(t), std::move(token)); });
    }
    weft::transaction abort(std::string gid, std::string type, std::string reason = "")
    {
        return ask<weft::transaction>(
            [&](auto token) { manager().abort(weft::gid(std::move(gid)), std::move(type), std::move(reason), std::move(token)); });
    }
    weft::transaction force_stop(std::string gid)
    {
        return ask<weft::transaction>([&](auto token) { manager().force_stop(weft::gid(std::move(gid)), std::move(token)); });
    }
    void register_branch(std::string gid, std::vector<weft::branch_op> ops)
    {
        auto const&       word = ops.front().op;
        std::string const type = word == "cancel" ? "tcc" : word == "rollback" ? "xa" : "workflow";
        ask<std::monostate>(
            [&](auto token) { manager().register_branch(weft::gid(std::move(gid)), type, std::move(ops), std::move(token)); });
    }

    weft::transaction row(std::string const& gid)
    {
        auto t = env.store().find(gid, true);
        if (!t)
            throw std::runtime_error("there is no " + gid);
        return *t;
    }
    // "prepared succeed prepared succeed"
    std::string statuses(std::string const& gid)
    {
        std::string all;
        for (auto const& op : row(gid).ops)
            all += (all.empty() ? "" : " ") + std::string(to_string(op.status));
        return all;
    }

    branches                                                at;
    std::vector<std::string>                                alerts;
    std::vector<std::unique_ptr<weft::transaction_manager>> managers;
    weft::testing::environment                              env;
};

inline weft::global_transaction saga(std::string gid, unsigned steps = 2, std::string options = {}, std::string custom_data = {})
{
    weft::global_transaction t;
    t.gid = std::move(gid);
    t.trans_type = "saga";
    for (unsigned i = 0; i < steps; ++i)
    {
        std::string const url(1, static_cast<char>('a' + i));
        t.steps.push_back({url, url, "{\"step\":" + std::to_string(i) + "}"});
    }
    t.options = std::move(options);
    t.custom_data = std::move(custom_data);
    return t;
}

inline weft::global_transaction of_type(std::string type, std::string gid, std::string options = {})
{
    weft::global_transaction t;
    t.gid = std::move(gid);
    t.trans_type = std::move(type);
    t.options = std::move(options);
    return t;
}

inline std::vector<weft::branch_op> registered(std::string id, std::string undo, std::string confirm, std::string url,
                                               std::string data = {})
{
    std::vector<weft::branch_op> ops(2);
    for (auto& op : ops)
    {
        op.branch_id = id;
        op.url = url;
        op.data = data;
    }
    ops[0].op = std::move(undo);
    ops[1].op = std::move(confirm);
    return ops;
}

}  // namespace workshop
