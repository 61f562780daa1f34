// Transactions in this process's memory. The reference that every other store is compared with, so: plain before quick.
#include "src/store/rules/judge.hpp"
#include "src/store/rules/row.hpp"
#include "src/store/share_out.hpp"

#include <weft/detail/machine_seed.hpp>
#include <weft/detail/own_category.hpp>
#include <weft/errors.hpp>
#include <weft/store.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace weft {
inline namespace v0 {

namespace {

using time_point = std::chrono::system_clock::time_point;

class memory_store final : public store
{
public:
    explicit memory_store(std::shared_ptr<clock> c) : clock_(c ? std::move(c) : system_clock()) { }

    std::vector<write_result> apply(std::span<write const> writes, bool repeated) override
    {
        std::lock_guard           lock(mutex_);
        std::vector<write_result> results;
        results.reserve(writes.size());
        for (auto const& w : writes)
            if (auto why = row_rules::unstorable(w); !why.empty())
                results.push_back({written::refused, std::move(why), {}});
            else
                results.push_back(std::visit([&](auto const& x) { return apply_one(x, repeated); }, w));
        ++version_;
        return results;
    }

    void register_engine(std::string const& engine, std::span<std::string const> workflows) override
    {
        std::lock_guard lock(mutex_);
        engines_[engine] = {0, {workflows.begin(), workflows.end()}};
    }

    beaten beat(std::string const& engine, std::span<std::string const>) override
    {
        std::lock_guard lock(mutex_);
        beaten          b;
        for (auto& [name, row] : engines_)
            if (name == engine)
            {
                b.alive = true;
                ++row.beats;
            }
            else
                b.others.push_back({name, row.beats});
        b.to_release = !dead_.empty();
        return b;
    }

    void unregister_engine(std::string const& engine) override
    {
        std::lock_guard lock(mutex_);
        engines_.erase(engine);
        dead_.insert(engine);
        release(std::numeric_limits<std::size_t>::max());
    }

    bool bury(std::string const& engine, std::int64_t beats) override
    {
        std::lock_guard lock(mutex_);
        auto const      found = engines_.find(engine);
        if (found == engines_.end() || found->second.beats != beats)
            return false;
        engines_.erase(found);
        dead_.insert(engine);
        return true;
    }

    released release_dead(std::size_t limit) override
    {
        std::lock_guard lock(mutex_);
        return release(limit);
    }

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        std::lock_guard lock(mutex_);
        claimed         c;
        if (!engines_.contains(engine))
        {
            c.alive = false;
            return c;
        }
        auto const now = clock_->now();
        if (owned_too)
            for (auto const& [gid, row] : rows_)
                if (row.owner == engine && !is_final(row.status) &&
                    std::find(workflows.begin(), workflows.end(), row.workflow) != workflows.end())
                    c.rows.push_back(as_seen(row));
        std::vector<due_rows*> due;
        for (auto const& name : workflows)
            if (auto const rows = due_.find(name); rows != due_.end() && !rows->second.empty() && rows->second.begin()->first <= now)
                due.push_back(&rows->second);
        share_out(limit, due, [&](due_rows* rows, std::size_t most) {
            std::size_t taken = 0;
            for (; taken < most && !rows->empty() && rows->begin()->first <= now; ++taken)
            {
                auto& row = rows_.at(rows->begin()->second);
                rows->erase(rows->begin());
                row.owner = engine;
                ++row.attempts;
                c.rows.push_back(as_seen(row));
            }
            return taken;
        });
        for (auto const& name : workflows)
            if (auto const rows = due_.find(name); rows != due_.end() && !rows->second.empty())
            {
                auto const in =
                    std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(rows->second.begin()->first - now));
                c.next_due = std::min(c.next_due.value_or(in), in);
            }
        if (!c.rows.empty())
            ++version_;
        return c;
    }

    std::vector<std::string> cancel_requests(std::string const& engine) override
    {
        std::lock_guard          lock(mutex_);
        std::vector<std::string> gids;
        for (auto const& [gid, row] : rows_)
            if (row.owner == engine && row.cancel_requested && row.status == status::prepared)
                gids.push_back(gid);
        return gids;
    }

    std::uint64_t version() override
    {
        std::lock_guard lock(mutex_);
        return version_;
    }

    std::optional<transaction> find(std::string_view gid, bool with_journal) override
    {
        std::lock_guard lock(mutex_);
        auto const      found = rows_.find(std::string(gid));
        if (found == rows_.end())
            return std::nullopt;
        auto row = as_seen(found->second);
        if (!with_journal)
        {
            row.parts.clear();
            row.ops.clear();
        }
        return row;
    }

    std::vector<transaction> list(list_filter const& filter) override
    {
        std::lock_guard          lock(mutex_);
        std::vector<transaction> rows;
        auto const               now = clock_->now();
        auto const               has_worker = [&](transaction const& t) {
            return std::any_of(engines_.begin(), engines_.end(), [&](auto const& e) {
                auto const& names = e.second.workflows;
                return std::find(names.begin(), names.end(), t.workflow) != names.end();
            });
        };
        for (auto const& [gid, row] : rows_)
            if ((!filter.status || row.status == *filter.status) && (!filter.unfinished || !is_final(row.status)) &&
                (!filter.paused || (!row.paused_reason.empty() && !is_final(row.status))) &&
                (filter.workflow.empty() || row.workflow == filter.workflow) &&
                (filter.trans_type.empty() || row.trans_type == filter.trans_type) &&
                (!filter.created_from || row.created >= *filter.created_from) &&
                (!filter.created_until || row.created <= *filter.created_until) &&
                (filter.before.value_or(0) == 0 || row.id < *filter.before) &&
                (!filter.no_worker ||
                 (!is_final(row.status) && row.paused_reason.empty() && row.owner.empty() && row.due <= now && !has_worker(row))))
            {
                rows.push_back(as_seen(row));
                rows.back().journal.clear();
                rows.back().parts.clear();
                rows.back().ops.clear();
            }
        if (filter.before)
            std::sort(rows.begin(), rows.end(), [](auto const& a, auto const& b) { return a.id > b.id; });
        else
            std::sort(rows.begin(), rows.end(),
                      [](auto const& a, auto const& b) { return std::tie(a.due, a.gid) < std::tie(b.due, b.gid); });
        if (!filter.after.empty() && !filter.before)
        {
            auto const last = std::find_if(rows.begin(), rows.end(), [&](auto const& t) { return t.gid == filter.after; });
            if (last != rows.end())
                rows.erase(rows.begin(), last + 1);
        }
        if (rows.size() > filter.limit)
            rows.resize(filter.limit);
        return rows;
    }

    std::vector<transaction> settled(std::span<std::string const> gids) override
    {
        std::lock_guard          lock(mutex_);
        std::vector<transaction> rows;
        for (auto const& gid : gids)
            if (auto const found = rows_.find(gid); found != rows_.end() && is_settled(found->second))
            {
                rows.push_back(as_seen(found->second));
                rows.back().journal.clear();
                rows.back().parts.clear();
                rows.back().ops.clear();
            }
        return rows;
    }

    made_due make_due(std::chrono::milliseconds later_than, std::size_t limit) override
    {
        std::lock_guard lock(mutex_);
        made_due        made;
        auto const      now = clock_->now();
        due_rows        all;
        for (auto const& [workflow, rows] : due_)
            all.insert(rows.begin(), rows.end());
        for (auto const& [due, gid] : all)
            if (due > now + later_than)
            {
                if (made.count == limit)
                {
                    made.more = true;
                    break;
                }
                set_due(rows_.at(gid), now);
                ++made.count;
            }
        version_ += made.count > 0;
        return made;
    }

    std::size_t purge(std::chrono::milliseconds older_than, std::size_t limit) override
    {
        std::lock_guard lock(mutex_);
        auto const      now = clock_->now();
        std::size_t     purged = 0;
        for (auto row = rows_.begin(); row != rows_.end() && purged < limit;)
            if (is_final(row->second.status) && row->second.updated < now - older_than)
            {
                row = rows_.erase(row);
                ++purged;
            }
            else
                ++row;
        return purged;
    }

    std::vector<kv_row> kv(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit) override
    {
        std::lock_guard     lock(mutex_);
        std::vector<kv_row> rows;
        for (auto const& [id, row] : kv_)
            if (id > after && row.category == category && (key.empty() || row.key == key) && rows.size() < limit)
                rows.push_back(row);
        return rows;
    }

    bool put_kv(std::string_view category, std::string_view key, std::string_view value, std::int64_t version) override
    {
        std::lock_guard lock(mutex_);
        auto const      found = find_kv(category, key);
        if (detail::is_own_category(category) || (found == kv_.end()) != (version == 0) ||
            (version != 0 && found->second.version != version))
            return false;
        auto const now = std::chrono::floor<std::chrono::milliseconds>(clock_->now());
        auto&      row = version == 0 ? kv_[++last_kv_] : found->second;
        if (version == 0)
            row = {last_kv_, std::string(category), std::string(key), {}, 0, now, now};
        row.value = value;
        ++row.version;
        row.updated = now;
        return true;
    }

    bool remove_kv(std::string_view category, std::string_view key) override
    {
        std::lock_guard lock(mutex_);
        auto const      found = find_kv(category, key);
        if (found == kv_.end())
            return false;
        kv_.erase(found);
        return true;
    }

    bool mark(std::string const&, bool) override { return false; }

    std::string id() override { return id_; }
    std::string describe() const override { return "memory"; }

private:
    using due_rows = std::set<std::pair<time_point, std::string>>;  // by time

    struct engine_row
    {
        std::int64_t             beats;
        std::vector<std::string> workflows;
    };

    transaction as_seen(transaction row) const
    {
        row.seen = std::chrono::floor<std::chrono::milliseconds>(clock_->now());
        return row;
    }

    std::map<std::int64_t, kv_row>::iterator find_kv(std::string_view category, std::string_view key)
    {
        return std::find_if(kv_.begin(), kv_.end(), [&](auto const& r) { return r.second.category == category && r.second.key == key; });
    }

    // What is due and nobody's.
    void set_due(transaction& row, time_point due) { index(row, std::exchange(row.due, due)); }
    void index(transaction const& row, time_point was_due)
    {
        auto& rows = due_[row.workflow];
        rows.erase({was_due, row.gid});
        if (row.owner.empty() && row.paused_reason.empty() && !is_final(row.status))
            rows.emplace(row.due, row.gid);
    }

    released release(std::size_t limit)
    {
        released r;
        if (dead_.empty())
            return r;
        for (auto& [gid, row] : rows_)
            if (!is_final(row.status) && dead_.contains(row.owner))
            {
                if (r.count == limit)
                {
                    r.more = true;
                    break;
                }
                row.owner.clear();
                set_due(row, clock_->now());
                ++r.count;
            }
        if (!r.more)
            dead_.clear();
        version_ += r.count > 0;
        return r;
    }

    // Of patterns, and creations: what becomes of the row is written down here.
    template <class Write>
    write_result apply_one(Write const& w, bool repeated)
    {
        auto const found = rows_.find(w.gid);
        auto const row = found == rows_.end() ? std::nullopt : std::optional(row_rules::view_of(found->second));
        auto       judged = row_rules::judge(w, row ? &*row : nullptr, lives(w), repeated);
        if (!judged.accepted)
            return judged.result;
        if constexpr (std::is_same_v<Write, create_write>)
            judged.result.created = create(w);
        else if constexpr (std::is_same_v<Write, register_write>)
            add(found->second, judged.news);
        else
            change(found->second, w);
        return judged.result;
    }
    write_result apply_one(local_write const&, bool) { return {written::refused, "memory has no connection to share", {}}; }

    template <class Write>
    bool lives(Write const& w) const
    {
        if constexpr (std::is_same_v<Write, create_write> || std::is_same_v<Write, decide_write>)
            return w.owner.empty() || engines_.contains(w.owner);
        else
            return true;
    }

    time_point create(create_write const& w)
    {
        auto& row = rows_[w.gid] = row_rules::created(w, clock_->now());
        row.id = ++last_id_;
        row.ops = w.ops;
        for (auto& op : row.ops)
            set_created(op, row.created);
        index(row, row.due);
        return row.created;
    }

    template <class Op>
    static std::vector<branch_op>::iterator find_op(std::vector<branch_op>& ops, Op const& wanted)
    {
        return std::find_if(ops.begin(), ops.end(), [&](auto const& o) { return o.branch_id == wanted.branch_id && o.op == wanted.op; });
    }

    static void set_created(branch_op& op, time_point now)
    {
        op.created = now;
        op.ended = op.status == status::prepared ? time_point() : now;
    }

    void add(transaction& row, std::vector<branch_op> const& news)
    {
        auto const now = std::chrono::floor<std::chrono::milliseconds>(clock_->now());
        for (auto const& op : news)
            set_created(row.ops.emplace_back(op), now);
        row.position += static_cast<std::int64_t>(news.size());
        row.updated = now;
    }

    void change(transaction& row, record_write const& w)
    {
        auto const now = std::chrono::floor<std::chrono::milliseconds>(clock_->now());
        for (auto const& e : w.entries)
            if (auto const op = find_op(row.ops, e); op != row.ops.end())
            {
                op->status = e.status;
                op->ended = now;
            }
        row.position = w.position_after();
        row.attempts = row.sends = 0;
        row.last_error.clear();
        row.updated = now;
        if (w.to)
        {
            row_rules::set_status(row, *w.to, now);
            if (!w.reason.empty())
                row.reason = w.reason;
            set_due(row, row.due);
        }
    }

    void change(transaction& row, decide_write const& w)
    {
        due_[row.workflow].erase({row.due, row.gid});
        row.owner = is_final(w.to) ? std::string() : w.owner;
        ++row.position;
        row.attempts = row.owner.empty() ? 0 : 1;
        row.sends = 0;
        row.paused_reason.clear();
        row.last_error.clear();
        row_rules::set_status(row, w.to, clock_->now());
        if (!w.reason.empty())
            row.reason = w.reason;
        if (!w.result.empty())
            row.result = w.result;
        if (w.options && row.workflow.empty())
            row.options = *w.options;
        if (w.custom_data && row.workflow.empty())
            row.custom_data = *w.custom_data;
        set_due(row, row.updated);
    }

    // Of workflows: what becomes of the row is written down in row.cpp.
    template <class Write, class Rule>
    write_result by(Rule rule, Write const& w, bool repeated)
    {
        auto const found = rows_.find(w.gid);
        if (found == rows_.end())
            return {written::unknown_gid, {}, {}};
        auto const due = found->second.due;
        auto const result = rule(found->second, w, repeated, clock_->now());
        index(found->second, due);
        return result;
    }
    write_result apply_one(extend_write const& w, bool repeated) { return by(&row_rules::extend, w, repeated); }
    write_result apply_one(park_write const& w, bool repeated) { return by(&row_rules::park, w, repeated); }
    write_result apply_one(request_write const& w, bool repeated) { return by(&row_rules::request, w, repeated); }

    static std::string new_id()
    {
        char room[33];
        std::snprintf(room, sizeof room, "%016llx%016llx", static_cast<unsigned long long>(detail::machine_seed()),
                      static_cast<unsigned long long>(detail::machine_seed()));
        return room;
    }

    std::string const                            id_ = new_id();
    std::shared_ptr<clock>                       clock_;
    std::mutex                                   mutex_;
    std::unordered_map<std::string, transaction> rows_;
    std::map<std::string, due_rows>              due_;  // by workflow
    std::map<std::string, engine_row>            engines_;
    std::set<std::string>                        dead_;  // buried, and not all of theirs is released
    std::map<std::int64_t, kv_row>               kv_;
    std::int64_t                                 last_id_ = 0, last_kv_ = 0;
    std::uint64_t                                version_ = 1;
};

}  // namespace

std::unique_ptr<store> make_memory_store(std::shared_ptr<clock> clock) { return std::make_unique<memory_store>(std::move(clock)); }

}  // namespace v0
}  // namespace weft
