// The local transaction of a message, on the database's own thread.
#include <weft/send_message.hpp>
#include <weft/sql.hpp>

#include <boost/asio/use_awaitable.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

namespace asio = boost::asio;

class message_job final : public sql_job
{
public:
    using work = std::function<bool(soci_connection&)>;  // what it returns is the answer

    message_job(work w, std::unique_ptr<completion<bool>> answer) : work_(std::move(w)), answer_(std::move(answer)) { }

    bool run(soci_connection& connection) noexcept override
    {
        error_ = nullptr;
        try
        {
            try
            {
                said_ = work_(connection);
            }
            catch (...)
            {
                rethrow_without_parameters();
            }
        }
        catch (...)
        {
            error_ = std::current_exception();
        }
        return !error_;
    }
    void done() noexcept override { answer_->complete(error_, said_); }
    void lost(std::string const& why) noexcept override
    {
        if (!error_)
            error_ = std::make_exception_ptr(store_error(why, store_error::certainty::in_doubt));
        answer_->complete(error_, false);
    }

private:
    work                              work_;
    std::unique_ptr<completion<bool>> answer_;
    std::exception_ptr                error_;
    bool                              said_ = false;
};

asio::awaitable<bool> on_database(database& db, message_job::work w)
{
    auto const executor = co_await asio::this_coro::executor;
    auto const begin = [&](auto handler) {
        db.submit(std::make_unique<message_job>(std::move(w), make_completion<bool, bool>(std::move(handler), executor, std::identity())));
    };
    using answered = void(std::exception_ptr, bool);
    co_return co_await asio::async_initiate<asio::use_awaitable_t<> const, answered>(begin, asio::use_awaitable);
}

}  // namespace

asio::awaitable<void> in_local_transaction(database& db, std::string gid, std::function<void(soci::session&)> f)
{
    message_job::work work = [&db, gid, f](soci_connection& c) {
        barrier::mark_message(c, gid, db.barrier());
        f(c.session());
        return true;
    };
    co_await on_database(db, std::move(work));
}

asio::awaitable<bool> ask_whether_meant(database& db, std::string gid)
{
    message_job::work work = [&db, gid](soci_connection& c) { return barrier::message_committed(c, gid, db.barrier()); };
    co_return co_await on_database(db, std::move(work));
}

asio::awaitable<void> give_up_or_submit(coordinator& to, global_transaction t, database& db, std::exception_ptr error)
{
    std::string why;
    bool        says_no = false;
    try
    {
        std::rethrow_exception(error);
    }
    catch (failure const& e)
    {
        why = e.reason();
        says_no = true;
    }
    catch (std::exception const& e)
    {
        why = e.what();
    }
    catch (...)
    {
        why = "the local transaction threw";
    }
    try
    {
        // After anything but a plain no the database is asked: a commit whose answer was lost is a commit.
        bool meant = false;
        if (!says_no)
            meant = co_await ask_whether_meant(db, t.gid);
        if (meant)
            co_await to.submit(t);
        else
            co_await to.abort(gid(t.gid), "msg", why);
    }
    catch (std::exception const&)
    {
        // The coordinator will ask.
    }
}

}  // namespace detail

bool message_committed(database& db, std::string const& gid)
{
    return db.run([&](soci::session& s) {
        soci_connection c(s);
        return barrier::message_committed(c, gid, db.barrier());
    });
}

}  // namespace v0
}  // namespace weft
