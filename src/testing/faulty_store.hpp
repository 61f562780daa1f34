// A store that misbehaves as planned: one of its writes is the one at which the process dies, or stands still, or hears nothing; and for a
// while it is down.
#pragma once

#include <weft/errors.hpp>
#include <weft/store.hpp>
#include <weft/testing/environment.hpp>

#include <algorithm>
#include <cstdlib>

namespace weft {
inline namespace v0 {
namespace testing {

// For a process and those that come after it.
struct fault_plan
{
    struct point
    {
        std::uint64_t           at_write;
        environment::crash_mode mode;
    };

    std::uint64_t         writes = 0;   // so far
    std::vector<point>    points;       // to come
    std::size_t           crashes = 0;  // that have come
    std::function<void()> freeze;       // runs another process until everything has ended

    std::shared_ptr<testing::virtual_clock> clock;
    std::chrono::nanoseconds                down_until{0};  // since boot
    environment::outage                     how = environment::outage::refuses;
    std::uint64_t                           dice = 1;

    bool is_down() const { return clock->since_boot() < down_until; }

    // How the store fails this time.
    environment::outage next_failure()
    {
        if (how != environment::outage::any)
            return how;
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        return static_cast<environment::outage>((dice >> 33) % 3);
    }

    // Counts one write and says what is to happen at it.
    environment::crash_mode next_write()
    {
        ++writes;
        auto const p = std::find_if(points.begin(), points.end(), [&](point const& x) { return x.at_write == writes; });
        if (p == points.end())
            return environment::crash_mode::none;
        auto const mode = p->mode;
        points.erase(p);
        ++crashes;
        return mode;
    }
};

class faulty_store final : public store
{
public:
    faulty_store(store& base, std::shared_ptr<fault_plan> plan) : base_(base), plan_(std::move(plan)) { }

    // The process is dead: what it still asks for does not happen.
    bool dead() const noexcept { return dead_; }

    std::vector<write_result> apply(std::span<write const> writes, bool repeated) override
    {
        return reach([&] { return apply_as_planned(writes, repeated); });
    }

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        return reach([&] { return claim_as_planned(engine, workflows, limit, owned_too); });
    }

    void register_engine(std::string const& engine, std::span<std::string const> workflows) override
    {
        return reach([&] { return base_.register_engine(engine, workflows); });
    }
    beaten beat(std::string const& engine, std::span<std::string const> workflows) override
    {
        return reach([&] { return base_.beat(engine, workflows); });
    }
    void unregister_engine(std::string const& engine) override
    {
        return reach([&] { return base_.unregister_engine(engine); });
    }
    bool bury(std::string const& engine, std::int64_t beats) override
    {
        return reach([&] { return base_.bury(engine, beats); });
    }
    released release_dead(std::size_t limit) override
    {
        return reach([&] { return base_.release_dead(limit); });
    }
    std::vector<std::string> cancel_requests(std::string const& engine) override
    {
        return reach([&] { return base_.cancel_requests(engine); });
    }
    std::uint64_t version() override
    {
        return reach([&] { return base_.version(); });
    }
    std::optional<transaction> find(std::string_view gid, bool with_journal) override
    {
        return reach([&] { return base_.find(gid, with_journal); });
    }
    std::vector<transaction> list(list_filter const& filter) override
    {
        return reach([&] { return base_.list(filter); });
    }
    std::vector<transaction> settled(std::span<std::string const> gids) override
    {
        return reach([&] { return base_.settled(gids); });
    }
    made_due make_due(std::chrono::milliseconds later_than, std::size_t limit) override
    {
        return reach([&] { return base_.make_due(later_than, limit); });
    }
    std::size_t purge(std::chrono::milliseconds older_than, std::size_t limit) override
    {
        return reach([&] { return base_.purge(older_than, limit); });
    }
    std::vector<kv_row> kv(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit) override
    {
        return reach([&] { return base_.kv(category, key, after, limit); });
    }
    bool put_kv(std::string_view category, std::string_view key, std::string_view value, std::int64_t version) override
    {
        return reach([&] { return base_.put_kv(category, key, value, version); });
    }
    bool remove_kv(std::string_view category, std::string_view key) override
    {
        return reach([&] { return base_.remove_kv(category, key); });
    }
    bool mark(std::string const& nonce, bool present) override
    {
        return reach([&] { return base_.mark(nonce, present); });
    }
    std::optional<transaction> create_within(std::any const& connection, create_write const& w) override
    {
        return reach([&] { return base_.create_within(connection, w); });
    }
    std::size_t operations_at_once() const noexcept override { return base_.operations_at_once(); }
    void        interrupt() noexcept override { base_.interrupt(); }
    std::string id() override { return base_.id(); }
    std::string describe() const override { return base_.describe(); }

private:
    std::vector<write_result> apply_as_planned(std::span<write const> writes, bool repeated)
    {
        switch (plan_->next_write())
        {
        case environment::crash_mode::before:
            die();
        case environment::crash_mode::after:
            base_.apply(writes, repeated);
            die();
        case environment::crash_mode::answer_lost:
            base_.apply(writes, repeated);
            throw store_error("the answer was lost", store_error::certainty::in_doubt);
        case environment::crash_mode::frozen:
            plan_->freeze();
            break;
        case environment::crash_mode::none:
            break;
        }
        return base_.apply(writes, repeated);
    }

    claimed claim_as_planned(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too)
    {
        auto c = base_.claim(engine, workflows, limit, owned_too);
        // A claim that brings nothing changes nothing; before one that does is after the write before it.
        if (!c.rows.empty())
            switch (plan_->next_write())
            {
            case environment::crash_mode::before:
            case environment::crash_mode::after:
                die();
            case environment::crash_mode::answer_lost:
                throw store_error("the answer was lost", store_error::certainty::in_doubt);
            case environment::crash_mode::frozen:
                plan_->freeze();
                break;
            case environment::crash_mode::none:
                break;
            }
        return c;
    }

    [[noreturn]] void die()
    {
        dead_ = true;
        refuse_if_dead();
        std::abort();
    }

    // Lets a call through, unless the process is dead or the store is down.
    template <class Call>
    auto reach(Call call) -> decltype(call())
    {
        refuse_if_dead();
        if (!plan_->is_down())
            return call();
        switch (plan_->next_failure())
        {
        case environment::outage::answer_lost:
            call();
            throw store_error("the answer was lost", known::in_doubt, store_error::cause::passing);
        case environment::outage::never_hears:
            throw store_error("the connection was lost", known::in_doubt, store_error::cause::passing);
        default:
            throw store_error("the store is down", known::not_written, store_error::cause::unreachable);
        }
    }
    void refuse_if_dead() const
    {
        if (dead_)
            throw store_error("this process is dead");
    }

    store&                      base_;
    std::shared_ptr<fault_plan> plan_;
    bool                        dead_ = false;
};

}  // namespace testing
}  // namespace v0
}  // namespace weft
