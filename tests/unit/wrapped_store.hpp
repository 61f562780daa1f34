// A store in memory between which and the engine a test can stand.
#pragma once

#include "tests/support/forwarding_store.hpp"

#include <weft/errors.hpp>
#include <weft/testing/environment.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace workshop {

class wrapped_store final : public forwarding_store
{
public:
    struct control
    {
        bool                                    down = false;     // every call throws store_error
        bool                                    deaf = false;     // … after doing what it was asked to
        int                                     claims = 0;       // how often it was looked for work
        int                                     lost_claims = 0;  // so many claims that bring something do it, and throw
        int                                     calls_while_down = 0;
        int                                     failing_marks = 0;
        bool                                    shares = false;   // it has connections that could be a participant's
        int                                     marks = 0;        // how often it was asked to leave or remove a mark
        std::string                             vanished;         // this gid: its row is gone
        std::set<std::string>                   found;            // gids that were read
        std::vector<std::string>                asked_to_cancel;  // gids that a look for cancels brings besides: it was under way for long
        std::uint64_t                           news = 0;         // so often others have changed something
        std::size_t                             asked = 0;        // of how many those who wait were told whether they have ended
        std::string                             fence;            // the next extension of this gid is refused as if by another owner
        std::function<void(weft::transaction&)> tamper = [](weft::transaction&) {};  // with rows on their way to the engine
        std::function<void(weft::write const&)> seen = [](weft::write const&) {};    // writes, before they are applied
        std::function<void()>                   applied = [] {};
    };

    wrapped_store(std::unique_ptr<weft::store> base, std::shared_ptr<control> c) : forwarding_store(std::move(base)), control_(std::move(c))
    { }

    std::vector<weft::write_result> apply(std::span<weft::write const> writes, bool repeated) override
    {
        check();
        for (auto const& w : writes)
            control_->seen(w);
        auto results = apply_unfenced(writes, repeated);
        for (std::size_t i = 0; i < writes.size(); ++i)
            if (auto const* e = std::get_if<weft::extend_write>(&writes[i]); e && e->gid == control_->vanished)
                results[i].what = weft::written::unknown_gid;
        control_->applied();
        hear();
        return results;
    }
    weft::claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        check();
        ++control_->claims;
        auto c = base_->claim(engine, workflows, limit, owned_too);
        for (auto& row : c.rows)
            control_->tamper(row);
        if (!c.rows.empty() && control_->lost_claims > 0)
        {
            --control_->lost_claims;
            throw weft::store_error("the answer was lost", weft::store_error::certainty::in_doubt);
        }
        hear();
        return c;
    }
    void register_engine(std::string const& e, std::span<std::string const> w) override
    {
        check();
        base_->register_engine(e, w);
        hear();
    }
    weft::beaten beat(std::string const& e, std::span<std::string const> w) override
    {
        check();
        return base_->beat(e, w);
    }
    void unregister_engine(std::string const& e) override
    {
        check();
        base_->unregister_engine(e);
    }
    bool bury(std::string const& e, std::int64_t beats) override
    {
        check();
        return base_->bury(e, beats);
    }
    weft::released release_dead(std::size_t limit) override
    {
        check();
        return base_->release_dead(limit);
    }
    std::vector<std::string> cancel_requests(std::string const& e) override
    {
        check();
        auto gids = base_->cancel_requests(e);
        gids.insert(gids.end(), control_->asked_to_cancel.begin(), control_->asked_to_cancel.end());
        return gids;
    }
    std::uint64_t version() override
    {
        check();
        return base_->version() + control_->news;
    }
    std::optional<weft::transaction> find(std::string_view gid, bool with_journal) override
    {
        check();
        control_->found.emplace(gid);
        auto row = gid == control_->vanished ? std::nullopt : base_->find(gid, with_journal);
        if (row)
            control_->tamper(*row);
        return row;
    }
    std::vector<weft::transaction> settled(std::span<std::string const> gids) override
    {
        check();
        control_->asked += gids.size();
        auto rows = base_->settled(gids);
        std::erase_if(rows, [&](auto const& row) { return row.gid == control_->vanished; });
        for (auto& row : rows)
            control_->tamper(row);
        return rows;
    }
    bool mark(std::string const& n, bool p) override
    {
        ++control_->marks;
        check();
        if (control_->failing_marks > 0 && control_->failing_marks-- > 0)
            throw weft::store_error("for a moment");
        return base_->mark(n, p) || control_->shares;
    }
    std::string describe() const override { return "wrapped memory"; }

    static weft::testing::environment_options options(std::shared_ptr<control> c)
    {
        weft::testing::environment_options o;
        o.open_store = [c](std::shared_ptr<weft::clock> clock) {
            return std::make_unique<wrapped_store>(weft::make_memory_store(std::move(clock)), c);
        };
        return o;
    }

private:
    std::vector<weft::write_result> apply_unfenced(std::span<weft::write const> writes, bool repeated)
    {
        std::vector<weft::write>   others;
        std::optional<std::size_t> fenced;
        for (auto const& w : writes)
            if (auto const* e = std::get_if<weft::extend_write>(&w); e && e->gid == control_->fence && !fenced)
                fenced = others.size();
            else
                others.push_back(w);
        if (!fenced)
            return base_->apply(writes, repeated);
        control_->fence.clear();
        auto results = base_->apply(others, repeated);
        results.insert(results.begin() + static_cast<std::ptrdiff_t>(*fenced), weft::write_result{weft::written::fenced, {}, {}});
        return results;
    }
    void check() const
    {
        if (!control_->down)
            return;
        ++control_->calls_while_down;
        throw weft::store_error("wrapped memory: connection refused");
    }
    void hear() const
    {
        if (control_->deaf)
            throw weft::store_error("wrapped memory: the answer was lost", weft::store_error::certainty::in_doubt);
    }

    std::shared_ptr<control> control_;
};

}  // namespace workshop
