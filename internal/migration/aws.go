package migration

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/alb"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/route53"
)

// account opens the AWS account that an object names.
func (b Binder) account(ctx context.Context, m *v1alpha1.Migration, access v1alpha1.AWSAccess) (aws.Config, error) {
	login := awsaccount.Login{Region: access.Region}
	if access.SecretName != "" {
		secret, err := b.secret(ctx, m, access.SecretName)
		if err != nil {
			return aws.Config{}, err
		}
		if login.Keys, err = awsaccount.KeysOf(access.SecretName, secret); err != nil {
			return aws.Config{}, err
		}
	}
	accounts := b.AWS
	if accounts == nil {
		accounts = &awsaccount.Accounts{}
	}
	return accounts.Open(ctx, login)
}

func (b Binder) alb(ctx context.Context, m *v1alpha1.Migration, r *v1alpha1.ALBRouter) (traffic.Router, error) {
	account, err := b.account(ctx, m, r.AWSAccess)
	if err != nil {
		return nil, err
	}
	router, err := alb.New(alb.Config{
		AWS: account, Rule: r.RuleARN, Hostname: m.Spec.Hostname, Migration: ownerName(m), Unstick: r.Unstick, Pin: r.Pin, Now: b.Clock,
		Old: alb.Target{Name: m.Spec.From.Name, Group: m.Spec.From.ALB.TargetGroupARN},
		New: alb.Target{Name: m.Spec.To.Name, Group: m.Spec.To.ALB.TargetGroupARN},
	})
	if err != nil {
		return nil, err
	}
	return router, nil
}

func (b Binder) route53(ctx context.Context, m *v1alpha1.Migration, r *v1alpha1.Route53Router) (traffic.Router, error) {
	account, err := b.account(ctx, m, r.AWSAccess)
	if err != nil {
		return nil, err
	}
	cfg := route53.Config{
		AWS: account, ZoneID: r.HostedZoneID, Hostname: m.Spec.Hostname, Migration: ownerName(m), TTL: r.TTL.Duration, Now: b.Clock,
		Old: dnsSide(m.Spec.From), New: dnsSide(m.Spec.To),
	}
	if m.Spec.DeadMan != nil && m.Spec.DeadMan.Duration > 0 && b.Heartbeat != nil {
		if r.HeartbeatURL == "" {
			return nil, fault.New(fault.Invalid, "Set spec.router.route53.heartbeatURL, or leave deadMan out.", "a dead man's switch by Route 53 needs to know where the heartbeat is")
		}
		cfg.DeadMan = &route53.DeadMan{URL: r.HeartbeatURL, Heartbeat: b.Heartbeat, Silence: m.Spec.DeadMan.Duration}
	}
	router, err := route53.New(cfg)
	if err != nil {
		return nil, err
	}
	return router, nil
}

func dnsSide(s v1alpha1.MigrationSide) route53.Target {
	side := route53.Target{Name: s.Name, Records: s.Route53.Records, HealthCheckID: s.Route53.HealthCheckID, PinHostname: s.Route53.PinHostname}
	if a := s.Route53.Alias; a != nil {
		side.Alias = &route53.Alias{DNSName: a.DNSName, ZoneID: a.HostedZoneID, EvaluateTargetHealth: a.EvaluateTargetHealth, IPv6: a.IPv6}
	}
	return side
}
