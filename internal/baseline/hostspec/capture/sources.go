package capture

// Sources gives all sources, in the order in which the collector runs them.
func Sources() []Source {
	return []Source{
		osSource(),
		systemSource(),
		packagesSource(),
		repositoriesSource(),
		usersSource(),
		kernelSource(),
		limitsSource(),
		mountsSource(),
		cronSource(),
		runningSource(),
		firewallSource(),
		atSource(),
		filesSource(),
		nginxSource(),
		phpSource(),
		postfixSource(),
		sshdSource(),
		mysqlClientSource(),
		redisClientSource(),
		logrotateSource(),
		ntpSource(),
		certificateSource(),
		languageSource(),
	}
}
