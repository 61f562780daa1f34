#include "tests/simulation/coordinator_backend.hpp"

#include "src/remote/remote_store.hpp"
#include "tests/support/coordinator.hpp"

#include <map>
#include <mutex>

namespace simulation {

namespace {

class processes final : public weft::store
{
public:
    explicit processes(std::shared_ptr<weft::clock> clock) : clock_(std::move(clock)), reader_(made()), newest_(reader_) { }

    std::vector<weft::write_result> apply(std::span<weft::write const> writes, bool repeated) override
    {
        std::string owner;
        for (auto const& w : writes)
            std::visit(
                [&](auto const& x) {
                    if constexpr (requires { x.owner; })
                        owner = x.owner.empty() ? owner : x.owner;
                },
                w);
        auto results = of(owner)->apply(writes, repeated);
        for (auto const& w : writes)
            if (auto const* const request = std::get_if<weft::request_write>(&w))
                call_back(request->gid);
        return results;
    }

    void register_engine(std::string const& engine, std::span<std::string const> workflows) override
    {
        auto const s = made();
        s->register_engine(engine, workflows);
        std::lock_guard lock(mutex_);
        newest_ = stores_[engine] = s;
    }
    weft::beaten beat(std::string const& engine, std::span<std::string const> workflows) override
    {
        return of(engine)->beat(engine, workflows);
    }
    void           unregister_engine(std::string const& engine) override { of(engine)->unregister_engine(engine); }
    bool           bury(std::string const&, std::int64_t) override { return false; }
    weft::released release_dead(std::size_t) override { return {}; }
    weft::claimed  claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        return of(engine)->claim(engine, workflows, limit, owned_too);
    }
    std::vector<std::string> cancel_requests(std::string const& engine) override { return of(engine)->cancel_requests(engine); }
    std::uint64_t            version() override { return of({})->version(); }

    // What stands at the coordinator, not what a process knows.
    std::optional<weft::transaction> find(std::string_view gid, bool with_journal) override
    {
        auto            row = reader_->find(gid, with_journal);
        std::lock_guard lock(mutex_);
        for (auto const& [engine, s] : stores_)
            if (row && row->owner == s->name())
                row->owner = engine;
        return row;
    }
    std::vector<weft::transaction> list(weft::list_filter const& filter) override
    {
        auto rows = reader_->list(filter);
        for (auto& row : rows)
            row = *find(row.gid, false);
        return rows;
    }

    weft::made_due            make_due(std::chrono::milliseconds, std::size_t) override { return {}; }
    std::size_t               purge(std::chrono::milliseconds, std::size_t) override { return 0; }
    std::vector<weft::kv_row> kv(std::string_view, std::string_view, std::int64_t, std::size_t) override { return {}; }
    bool                      put_kv(std::string_view, std::string_view, std::string_view, std::int64_t) override { return false; }
    bool                      remove_kv(std::string_view, std::string_view) override { return false; }
    bool                      mark(std::string const&, bool) override { return false; }
    std::string               id() override { return reader_->id(); }
    std::string               describe() const override { return reader_->describe(); }

private:
    using one = std::shared_ptr<weft::remote_detail::remote_store>;

    one made()
    {
        weft::remote_detail::remote_store_options o;
        o.callback = "http://127.0.0.1:9/nobody";  // who is called is who starts next
        o.time = clock_;
        weft::remote_detail::dtm_api api(at_.address(), through_, std::chrono::seconds(10));
        return std::make_shared<weft::remote_detail::remote_store>(std::move(api), std::move(o));
    }

    // As the coordinator does from time to time: so whoever runs it hears of what others have asked for.
    void call_back(std::string const& gid)
    {
        auto const row = reader_->find(gid, false);
        if (!row)
            return;
        std::lock_guard lock(mutex_);
        for (auto const& [engine, s] : stores_)
            s->called("/?gid=" + gid + "&op=" + row->workflow);
    }

    one of(std::string const& engine)
    {
        std::lock_guard lock(mutex_);
        auto const      found = stores_.find(engine);
        return found == stores_.end() ? newest_ : found->second;
    }

    std::shared_ptr<weft::clock>     clock_;
    coordinator                      at_;
    std::shared_ptr<weft::transport> through_ = weft::make_http_transport();
    std::mutex                       mutex_;
    std::map<std::string, one>       stores_;
    one                              reader_, newest_;
};

}  // namespace

std::unique_ptr<weft::store> open_on_coordinator(std::shared_ptr<weft::clock> clock)
{
    return std::make_unique<processes>(std::move(clock));
}

}  // namespace simulation
