// The store behind a remote engine: what is durable stands in a coordinator's log (log.hpp); leases, and when what is due, are this process's
// own business, since nobody else is called back for it.
#pragma once

#include "src/remote/done_writes.hpp"
#include "src/remote/log.hpp"
#include "src/remote/requests.hpp"

#include <weft/remote_engine.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

namespace weft {
inline namespace v0 {
namespace remote_detail {

inline constexpr unsigned tries = 3;  // of what a coordinator refuses without saying that this is for good

struct remote_store_options
{
    std::string                     callback;
    std::chrono::seconds            retry_interval{0};
    std::size_t                     at_once = 64;
    std::chrono::milliseconds       request_timeout{5'000};
    std::chrono::milliseconds       expiry{4'000};  // a process that stood still for so long may have been taken for dead
    std::shared_ptr<clock>          time;
    std::shared_ptr<spdlog::logger> logger;           // null: no log
    std::function<void()>           stopped = [] {};  // the engine has given everything back
};

class remote_store final : public store
{
public:
    remote_store(dtm_api api, remote_store_options options);

    // What rows say that were written here.
    std::string const& name() const noexcept { return me_; }

    // What a request to the callback's address says. Thread safety: any thread.
    callback_answer called(std::string_view target);

    std::vector<write_result> apply(std::span<write const> writes, bool repeated) override;
    void                      register_engine(std::string const& engine, std::span<std::string const> workflows) override;
    beaten                    beat(std::string const& engine, std::span<std::string const> workflows) override;
    void                      unregister_engine(std::string const& engine) override;
    bool                      bury(std::string const&, std::int64_t) override { return false; }  // nobody else is seen
    released                  release_dead(std::size_t) override { return {}; }
    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override;
    std::vector<std::string> cancel_requests(std::string const& engine) override;
    std::uint64_t            version() override;

    std::optional<transaction> find(std::string_view gid, bool with_journal) override;
    std::vector<transaction>   list(list_filter const&) override;

    made_due            make_due(std::chrono::milliseconds, std::size_t) override;
    std::size_t         purge(std::chrono::milliseconds, std::size_t) override;
    std::vector<kv_row> kv(std::string_view, std::string_view, std::int64_t, std::size_t) override;
    bool                put_kv(std::string_view, std::string_view, std::string_view, std::int64_t) override;
    bool                remove_kv(std::string_view, std::string_view) override;
    bool                mark(std::string const&, bool) override { return false; }
    std::string         id() override;
    std::string         describe() const override { return "coordinator " + api_.described(); }

private:
    // One that this process runs, or waits to run.
    struct held
    {
        transaction   row;
        std::uint64_t rows = 0;        // of its log, so far as known here
        bool          claimed = true;  // who wrote last is this process; else it has to say first that it goes on from here

        // A row of the log that is being written, in pieces: so many are there.
        std::vector<std::string> pieces;
        std::size_t              written = 0;
    };
    using held_ptr = std::shared_ptr<held>;

    enum class added : std::uint8_t
    {
        done,
        lost,       // somebody else goes on with it, or it has ended
        cancelled,  // a request to cancel stands in the place of a decision to commit
        refused
    };
    struct adding
    {
        added       what = added::done;
        std::string why;
    };
    template <class T>
    using awaitable = boost::asio::awaitable<T>;

    awaitable<void>         apply_in_order(std::span<write const> writes, std::vector<std::size_t> const& which,
                                           std::vector<std::optional<write_result>>& results);
    awaitable<write_result> start(write const& w);
    awaitable<write_result> apply_one(create_write const& w);
    awaitable<write_result> apply_one(extend_write const& w);
    awaitable<write_result> apply_one(park_write const& w);
    awaitable<write_result> apply_one(request_write const& w);
    template <class Other>
    awaitable<write_result> apply_one(Other const&);

    awaitable<adding>              add(held_ptr h, log_row row, bool commits = false);
    awaitable<adding>              end(held_ptr h, extend_write const& w);
    awaitable<bool>                look(held_ptr h);
    awaitable<coordinator_reply>   query(std::string gid);
    awaitable<bool>                is_well();
    awaitable<std::optional<seen>> ask(std::string gid);
    awaitable<void>                look_for(std::string gid);
    awaitable<void>                see(std::string gid);
    awaitable<void>                look_for_own();
    awaitable<void>                claim_one(held_ptr h, std::string engine, claimed& c);

    awaitable<coordinator_reply> post(std::string verb, boost::json::object body);
    awaitable<coordinator_reply> get(std::string verb, std::vector<std::pair<std::string, std::string>> query);

    void     alive(std::chrono::nanoseconds within);
    bool     catch_up(held& h, boost::json::array const& branches);
    held_ptr find_held(std::string const& gid);
    void     let_go(std::string const& gid);
    void     run(std::vector<job> const& jobs);
    log_row  mine(record_type does, std::string text = {}) const;

    dtm_api const              api_;
    remote_store_options const options_;
    std::string const          me_;

    std::mutex                         mutex_;  // not held while anything is asked
    std::map<std::string, held_ptr>    held_;
    std::set<std::string>              called_;     // to be looked at
    std::vector<std::string>           workflows_;  // that run here
    std::string                        engine_;     // the incarnation that is alive
    std::map<std::string, std::string> tokens_;     // gid → its creation's that is not known to have arrived
    std::chrono::nanoseconds           seen_alive_{0};
    bool                               stood_still_ = false;
    bool                               looked_for_own_ = false;
    std::atomic<std::uint64_t>         events_{1};

    // Of the thread that writes and claims
    std::uint64_t         creations_ = 0;
    std::set<std::string> not_seen_;  // called back for, and the coordinator could not be asked
    done_writes           done_;
};

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
