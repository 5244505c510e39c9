# Makes the first administrator, so that no visitor can. Run again, it changes nothing.
if User.none?
  AccountBuilder.new(
    account_name: ENV.fetch("LIVCHAT_ACCOUNT_NAME"),
    user_full_name: ENV.fetch("LIVCHAT_ADMIN_NAME"),
    email: ENV.fetch("LIVCHAT_ADMIN_EMAIL"),
    user_password: ENV.fetch("LIVCHAT_ADMIN_PASSWORD"),
    super_admin: true,
    confirmed: true
  ).perform
end
Redis::Alfred.delete(Redis::Alfred::CHATWOOT_INSTALLATION_ONBOARDING)
