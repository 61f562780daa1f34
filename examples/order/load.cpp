#include "load.hpp"

#include "place_order.hpp"
#include "progress.hpp"
#include "text.hpp"

#include <weft/engine.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <unordered_set>

namespace asio = boost::asio;

namespace {

class loader
{
public:
    loader(weft::store& transactions, shop& our, std::vector<order> const& orders, load_options options)
        : orders_(orders)
        , options_(options)
        , engine_(io_, transactions,
                  {.on_paused = [this](weft::transaction const& t) { say("order " + t.gid + " is paused: " + t.paused_reason); }})
        , place_(add_place_order(engine_, our))
        , signals_(io_, SIGINT, SIGTERM)
        , ticks_(io_)
        , progress_(options.every)
    {
        find_earlier(transactions);
    }

    int run()
    {
        announce();
        signals_.async_wait([this](boost::system::error_code ec, int) {
            if (!ec)
                stop(true);
        });
        tick();
        callers_ = std::min(options_.in_flight, orders_.size());
        //[order_spawn
        for (std::size_t i = 0; i < callers_; ++i)
            asio::co_spawn(io_, place_orders(), [this](std::exception_ptr e) { caller_is_done(e); });
        //]
        io_.run();
        progress_.clear();
        return report();
    }

private:
    // One of many callers: places the next order, waits for its end, and so on.
    asio::awaitable<void> place_orders()
    {
        while (next_ < orders_.size() && !stopping_)
        {
            order const& wanted = orders_[next_++];
            ++waiting_;
            co_await place(wanted);
            --waiting_;
        }
    }

    asio::awaitable<void> place(order const& wanted)
    {
        constexpr int patience = 30;
        for (int tries = 1;; ++tries)
        {
            std::string trouble;
            //[order_execute
            try
            {
                co_await place_.execute(weft::gid(wanted.id), wanted);
                ++committed_;
                ++done_;
            }
            catch (weft::failure const& no)
            {
                ++refused_[no.reason().substr(0, no.reason().find(':'))];
                ++done_;
            }
            catch (weft::unfinished const& e)
            {
                // Stopped: the next run goes on with it. Paused: a person has to look.
                paused_ += e.reason() == weft::unfinished::why::paused;
            }
            catch (weft::store_error const& e)
            {
                trouble = e.what();  // it may have begun or not: ask again with the same gid
            }
            //]
            catch (weft::misuse const& e)
            {
                ++broken_;
                say("order " + wanted.id + ": " + e.what());
            }
            if (trouble.empty() || stopping_)
                co_return;
            if (tries == 1)
                say("order " + wanted.id + ": " + trouble + "; asking again");
            if (tries == patience)
            {
                ++broken_;
                co_return;
            }
            asio::steady_timer pause(io_, std::chrono::seconds(1));
            co_await pause.async_wait(asio::use_awaitable);
        }
    }

    void caller_is_done(std::exception_ptr e)
    {
        if (e)
            unexpected_ = e;
        if (--callers_ == 0 && !stopping_)
            stop(false);
    }

    // Whatever is in flight is finished and recorded; whatever is left is for the next run.
    void stop(bool asked)
    {
        stopping_ = true;
        asked_ = asked;
        signals_.clear();  // a second signal ends the process at once, as a crash would
        if (asked)
            say("asked to stop: letting operations in flight finish");
        engine_.stop(options_.patience, [this](std::exception_ptr) {
            signals_.cancel();
            stopped_ = true;
            ticks_.cancel();
        });
    }

    void tick()
    {
        progress_.show({done_, orders_.size(), std::min(earlier_, done_), waiting_});
        if (stopped_)
            return;
        ticks_.expires_after(std::chrono::milliseconds(20));
        ticks_.async_wait([this](boost::system::error_code) { tick(); });
    }

    void find_earlier(weft::store& transactions)
    {
        std::unordered_set<std::string_view> wanted;
        for (auto const& o : orders_)
            wanted.insert(o.id);
        for (auto const& t : transactions.list({.limit = std::numeric_limits<std::int32_t>::max()}))
            (is_final(t.status) ? earlier_ : begun_) += wanted.contains(t.gid);
    }

    void announce()
    {
        std::string text =
            counted(static_cast<std::int64_t>(orders_.size()), "order") + ", " + std::to_string(options_.in_flight) + " at a time";
        if (earlier_ + begun_ > 0)
            text += "; an earlier run finished " + grouped(static_cast<std::int64_t>(earlier_)) + " of them and began " +
                    grouped(static_cast<std::int64_t>(begun_)) + " more";
        say(text);
    }

    void say(std::string const& line)
    {
        progress_.clear();
        std::printf("%s\n", line.c_str());
        std::fflush(stdout);
    }

    int report()
    {
        auto const time = std::chrono::steady_clock::now() - began_;
        if (unexpected_)
            std::rethrow_exception(unexpected_);
        std::size_t refused = 0;
        std::string why;
        for (auto const& [reason, n] : refused_)
        {
            refused += n;
            why += (why.empty() ? " (" : ", ") + grouped(static_cast<std::int64_t>(n)) + ' ' + reason;
        }
        auto const fresh = done_ - std::min(earlier_, done_);
        say(grouped(static_cast<std::int64_t>(committed_)) + " committed, " + grouped(static_cast<std::int64_t>(refused)) + " rolled back" +
            why + (why.empty() ? "" : ")"));
        if (fresh == 0 && !asked_)
            say("all of them were finished before");
        else
            say(counted(static_cast<std::int64_t>(fresh), "order") + " in " +
                span(std::chrono::duration_cast<std::chrono::milliseconds>(time)) + ": " +
                grouped(static_cast<std::int64_t>(static_cast<double>(fresh) / std::chrono::duration<double>(time).count())) + " orders/s");
        if (asked_)
        {
            say("stopped with " + grouped(static_cast<std::int64_t>(orders_.size() - done_)) + " orders left: the same command goes on");
            return 0;
        }
        if (paused_ > 0)
            say(counted(static_cast<std::int64_t>(paused_), "order") + " paused: `order list --paused` says why");
        return done_ == orders_.size() ? 0 : 1;
    }

    std::vector<order> const&    orders_;
    load_options                 options_;
    asio::io_context             io_{1};
    weft::engine                 engine_;
    weft::handle<receipt(order)> place_;
    asio::signal_set             signals_;
    asio::steady_timer           ticks_;
    progress                     progress_;

    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::size_t                           next_ = 0, callers_ = 0, waiting_ = 0;
    std::size_t                           earlier_ = 0, begun_ = 0;  // by an earlier run: ended, left in the middle
    std::size_t                           done_ = 0, committed_ = 0, paused_ = 0, broken_ = 0;
    std::map<std::string, std::size_t>    refused_;  // by reason
    bool                                  stopping_ = false, stopped_ = false, asked_ = false;
    std::exception_ptr                    unexpected_;
};

}  // namespace

int load(weft::store& transactions, shop& our, std::vector<order> const& orders, load_options options)
{
    return loader(transactions, our, orders, options).run();
}
