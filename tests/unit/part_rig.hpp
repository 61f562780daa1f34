// What a part of an engine needs to stand alone: a strand, a clock that is moved by hand, and a store that does what a
// test says.
#pragma once

#include "workflow/attempt/attempt.hpp"
#include "workflow/runtime/context.hpp"

#include <weft/testing/virtual_clock.hpp>

#include <boost/asio/io_context.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <cstddef>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace part_rig {

using namespace std::chrono_literals;

// Says yes to everything and has nothing, unless a test says otherwise; writes down what it was asked.
class scripted_store final : public weft::store
{
public:
    std::function<std::vector<weft::write_result>(std::span<weft::write const>, bool)> on_apply;
    std::function<void()>                                                              on_register;
    std::function<weft::beaten()>                                                      on_beat;
    std::function<bool(std::string const&, std::int64_t)>                              on_bury;
    std::function<weft::released()>                                                    on_release;
    std::function<weft::claimed()>                                                     on_claim;
    std::function<std::uint64_t()>                                                     on_version;

    struct claim_call
    {
        std::string              engine;
        std::vector<std::string> names;
        std::size_t              limit = 0;
        bool                     owned_too = false;
    };
    std::vector<claim_call>  claims;
    std::vector<std::string> registered, beats, unregistered, cancelled;
    std::size_t              versions = 0;

    std::map<std::string, weft::transaction, std::less<>> rows;  // what is found

    std::vector<weft::write_result> apply(std::span<weft::write const> w, bool repeated) override
    {
        auto const f = on_apply;  // which may be set anew meanwhile; so of those below
        return f ? f(w, repeated) : std::vector<weft::write_result>(w.size());
    }
    void register_engine(std::string const& e, std::span<std::string const>) override
    {
        registered.push_back(e);
        if (auto const f = on_register)
            f();
    }
    weft::beaten beat(std::string const& e, std::span<std::string const>) override
    {
        beats.push_back(e);
        auto const f = on_beat;
        return f ? f() : weft::beaten{.alive = true};
    }
    void unregister_engine(std::string const& e) override { unregistered.push_back(e); }
    bool bury(std::string const& e, std::int64_t beats) override
    {
        auto const f = on_bury;
        return f && f(e, beats);
    }
    weft::released release_dead(std::size_t) override
    {
        auto const f = on_release;
        return f ? f() : weft::released();
    }
    weft::claimed claim(std::string const& e, std::span<std::string const> w, std::size_t n, bool owned_too) override
    {
        claims.push_back({e, {w.begin(), w.end()}, n, owned_too});
        auto const f = on_claim;
        return f ? f() : weft::claimed();
    }
    std::vector<std::string> cancel_requests(std::string const&) override { return cancelled; }
    std::uint64_t            version() override
    {
        ++versions;
        auto const f = on_version;
        return f ? f() : 1;
    }
    std::optional<weft::transaction> find(std::string_view gid, bool) override
    {
        auto const found = rows.find(gid);
        return found == rows.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<weft::transaction> list(weft::list_filter const&) override { return {}; }
    weft::made_due                 make_due(std::chrono::milliseconds, std::size_t) override { return {}; }
    std::size_t                    purge(std::chrono::milliseconds, std::size_t) override { return 0; }
    std::vector<weft::kv_row>      kv(std::string_view, std::string_view, std::int64_t, std::size_t) override { return {}; }
    bool                           put_kv(std::string_view, std::string_view, std::string_view, std::int64_t) override { return true; }
    bool                           remove_kv(std::string_view, std::string_view) override { return true; }
    bool                           mark(std::string const&, bool) override { return false; }
    std::string                    id() override { return std::string(32, '0'); }
    std::string                    describe() const override { return "a script"; }
};

class rig
{
public:
    explicit rig(weft::engine_options o = {}) : context(io.get_executor(), store, complete(std::move(o))) { context.kept_by(owner_); }

    // All that can be done now.
    void settle()
    {
        do
            io.restart();
        while (io.poll() > 0);
    }

    // What comes due on the way is done when it does.
    void advance(std::chrono::nanoseconds by)
    {
        settle();
        for (auto next = clock->next(); next && *next <= by; next = clock->next())
        {
            clock->advance(*next);
            by -= *next;
            settle();
        }
        clock->advance(by);
        settle();
    }

    std::string log() const { return said_.str(); }

    boost::asio::io_context                       io;
    std::shared_ptr<weft::testing::virtual_clock> clock = std::make_shared<weft::testing::virtual_clock>();
    scripted_store                                store;

private:
    weft::engine_options complete(weft::engine_options o)
    {
        o.clock = clock;
        o.store_executor = io.get_executor();
        auto const to = std::make_shared<spdlog::sinks::ostream_sink_mt>(said_);
        o.logger = std::make_shared<spdlog::logger>("part", to);
        o.logger->set_pattern("%v");
        o.seed = 7;
        return o;
    }

    std::shared_ptr<int> owner_ = std::make_shared<int>(0);
    std::ostringstream   said_;

public:
    weft::detail::engine_context context;
};

// One that only notes what it is told.
class idle_attempt final : public weft::detail::attempt
{
public:
    idle_attempt(std::string gid, std::vector<std::string>& told) : attempt(std::move(gid)), told_(told) { }
    void go_on() override { told_.push_back(gid_ + " goes on"); }
    void cancel_requested() override { told_.push_back(gid_ + " is to be cancelled"); }
    void stop() override { told_.push_back(gid_ + " is to stop"); }
    void abandon() noexcept override { told_.push_back(gid_ + " is abandoned"); }
    void decided_for() override { told_.push_back(gid_ + " has been decided"); }
    void on_written(weft::write_result const&, weft::write&) override { }

private:
    std::vector<std::string>& told_;
};

}  // namespace part_rig
