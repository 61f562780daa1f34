// A store that misbehaves as planned: one of its writes is the one at which the process dies, or stands still, or hears nothing.
#pragma once

#include <weft/errors.hpp>
#include <weft/store.hpp>
#include <weft/testing/environment.hpp>

#include <algorithm>
#include <cstdlib>

namespace weft {
inline namespace v0 {
namespace testing {

// Shared by the processes of one environment.
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
        refuse_if_dead();
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

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        refuse_if_dead();
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

    void enlist(std::string const& engine, std::span<std::string const> workflows) override
    {
        refuse_if_dead();
        base_.enlist(engine, workflows);
    }
    bool beat(std::string const& engine, std::span<std::string const> workflows) override
    {
        refuse_if_dead();
        return base_.beat(engine, workflows);
    }
    void resign(std::string const& engine) override
    {
        refuse_if_dead();
        base_.resign(engine);
    }
    std::size_t release_dead(std::chrono::milliseconds expiry) override
    {
        refuse_if_dead();
        return base_.release_dead(expiry);
    }
    std::vector<std::string> cancel_requests(std::string const& engine) override
    {
        refuse_if_dead();
        return base_.cancel_requests(engine);
    }
    std::uint64_t version() override
    {
        refuse_if_dead();
        return base_.version();
    }
    std::optional<transaction> find(std::string_view gid, bool with_journal) override
    {
        refuse_if_dead();
        return base_.find(gid, with_journal);
    }
    std::vector<transaction> list(list_filter const& filter) override
    {
        refuse_if_dead();
        return base_.list(filter);
    }
    made_due make_due(std::chrono::milliseconds later_than, std::size_t limit) override
    {
        refuse_if_dead();
        return base_.make_due(later_than, limit);
    }
    std::size_t purge(std::chrono::milliseconds older_than, std::size_t limit) override
    {
        refuse_if_dead();
        return base_.purge(older_than, limit);
    }
    std::vector<kv_row> kv(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit) override
    {
        refuse_if_dead();
        return base_.kv(category, key, after, limit);
    }
    bool put_kv(std::string_view category, std::string_view key, std::string_view value, std::int64_t version) override
    {
        refuse_if_dead();
        return base_.put_kv(category, key, value, version);
    }
    bool remove_kv(std::string_view category, std::string_view key) override
    {
        refuse_if_dead();
        return base_.remove_kv(category, key);
    }
    bool mark(std::string const& nonce, bool present) override
    {
        refuse_if_dead();
        return base_.mark(nonce, present);
    }
    std::optional<transaction> create_within(std::any const& connection, create_write const& w) override
    {
        refuse_if_dead();
        return base_.create_within(connection, w);
    }
    void interrupt() noexcept override { base_.interrupt(); }
    std::string id() override { return base_.id(); }
    std::string describe() const override { return base_.describe(); }

private:
    [[noreturn]] void die()
    {
        dead_ = true;
        refuse_if_dead();
        std::abort();
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
